"""Worker processes: made to exist, kept in existence, ended.

``lifecycle`` decides, ``supervisor`` owns the state and acts, ``launching``
and ``shim`` start processes, ``probe`` looks at them from outside, ``state``
and ``adoption`` let a restarted hive find them again. design.md beside this
file tells the whole story.
"""
