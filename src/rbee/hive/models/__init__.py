"""Models on this machine: what is here, where more come from, how they are fetched.

``catalog`` is what is on disk, ``downloads`` brings more of it; ``hub``,
``package`` and ``local`` are the sources, ``transfer`` moves the bytes.
"""
