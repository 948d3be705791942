"""What keeps one worker from harming its neighbours and the machine.

``probe`` finds out at the hive's start what this system really enforces, ``plan``
(pure) chooses for one worker, ``cgroups`` and ``units`` know the two mechanisms.
The shim applies what concerns its own child; what is in force is shown per worker.
"""
