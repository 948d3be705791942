"""How each engine is launched, probed and read. One file per engine.

``engine`` is the seam (the Protocol and what passes through it), ``xllamacpp``
and ``scripted`` implement it, ``catalog`` knows which are usable here and picks
one for a spawn. Nothing in here runs inside a worker: those are ``rbee.worker``'s
engines.
"""
