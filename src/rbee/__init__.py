"""rbee: many machines become one private AI endpoint.

The folders beside this file are the picture of the system: four rooms that
are four processes (queen, hive, worker, keeper) on a thin foundation.
ARCHITECTURE.md at the repository's root walks through them.
"""

__version__ = "0.1.0"
