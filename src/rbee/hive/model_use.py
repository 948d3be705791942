"""Note when models are used: the clean-up removes what was not used for longest.

Follows the roster: a worker of a model that comes or goes is a use of it. One
task of the hive; what cannot be written is logged, and costs only the order.
"""

import time
from functools import partial

import anyio.to_thread

from rbee.errors import StorageError
from rbee.foundation import logs
from rbee.hive.models.catalog import Catalog
from rbee.hive.workers.roster import Roster

_log = logs.get(__name__)


async def note_uses(roster: Roster, catalog: Catalog) -> None:
    """Keep ``last_used_at`` of the models for as long as the hive runs."""
    before: set[str] = set()
    while True:
        seen, now_loaded = roster.pulse.count, roster.loaded()
        for model_id in before ^ now_loaded:
            try:
                await anyio.to_thread.run_sync(partial(catalog.touch, model_id, time.time()))
            except StorageError as error:
                _log.warning("use not noted", model=model_id, reason=error.message)
        before = now_loaded
        await roster.pulse.wait_after(seen)
