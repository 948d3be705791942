"""The hive as a member of a colony: whose it is, its certificate's renewal, looking for a queen.

Joining itself is ``client.join``, since ``rbee hive join`` does it too. ``hive.ties`` uses what
is in here, beside the link and the beats.
"""
