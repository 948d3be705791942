"""The test kit, shipped: stubs of what rbee talks to, and tiny files to feed it.

Nothing here is imported by a running daemon; it may import every room.
"""
