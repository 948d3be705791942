"""What the queen knows of her colony: soft state, rebuilt from heartbeats, pure.

Nothing here reads a clock or does I/O; every method that depends on time takes
``now`` in seconds of one monotonic clock. Unknown is not dead: a hive that is
silent keeps its workers for a minute, and they are used while they answer.
"""
