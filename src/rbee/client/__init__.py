"""Talk to a room over HTTP: the keeper to queen and hive, the queen to its hives.

``QueenClient`` and ``HiveClient`` are thin: one method per route, contract
structs in and out. Errors that a server sent become the classes of
``rbee.errors`` again in ``transport``, and nowhere else.
"""
