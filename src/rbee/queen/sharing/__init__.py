"""Models between hives, from the queen's side: who has what, whose turn it is, and copies.

The queen knows from the beats which hive has which model. A hive that wants one asks
(``seeking``), gets tickets of those that have it, or learns who fetches it from outside
(``claims``). Where two hives cannot see each other the bytes go through her (``relay``).
``copying`` is the operator's order to have a model there too.
"""
