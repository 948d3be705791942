"""The command line: one file per noun, each loaded only when it is asked for.

``frame`` lists the commands; ``options`` holds the flags that several share.
Commands raise the errors of ``rbee.errors``; the front door turns them into a
message and an exit code.
"""
