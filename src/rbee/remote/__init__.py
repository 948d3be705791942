"""Put a hive on a machine and look after it there: over SSH, or on this machine.

The keeper comes here for ``rbee hive install|upgrade|uninstall`` and for every
``--host``. The rule: what will be done is decided as values (``facts`` → ``fitness``
→ ``plan``), and then carried out by ``carry``; a dry run shows the same values.
A ``Host`` is all that differs between this machine and another one.
"""
