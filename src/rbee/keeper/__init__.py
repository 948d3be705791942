"""The operator's hand: the command line, and later the window.

``cli`` has one file per noun. The files beside it do the work that several
commands share: find and start daemons, follow jobs, draw on the terminal. The
keeper speaks to the other rooms over HTTP (``rbee.client``) and imports none of
them; what it starts, it starts as a process.
"""
