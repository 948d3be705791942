"""The queen: takes requests and routes them (design.md says what she owns).

A request walks down: ``api`` → ``inference`` → the worker's port. The control
plane (``reconciler``, ``operations``) runs beside it and meets it at
``scheduling.demand`` and ``registry``.
"""
