"""The web console's built files, and the door that gives them to browsers.

Beside ``foundation``: it knows files and HTTP, and nothing of queens and hives. Both serve
the same bundle; the page is told in ``data-room`` whose it is.
"""
