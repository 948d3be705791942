"""Note when models are used, and how long they took to load.

Follows the roster. A worker of a model that comes or goes is a use of it: the
clean-up removes what was not used for longest. A worker that got ready tells how
long such a load takes here. What cannot be written is logged and costs only the
order, or the memory of it.
"""

import time
from functools import partial

import anyio
import anyio.to_thread

from rbee.errors import StorageError
from rbee.foundation import logs
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.load_times import LoadTimes
from rbee.hive.workers.roster import Roster

_log = logs.get(__name__)


async def note(roster: Roster, catalog: Catalog, loads: LoadTimes) -> None:
    """Keep both for as long as the hive runs."""
    async with anyio.create_task_group() as both:
        both.start_soon(note_uses, roster, catalog)
        both.start_soon(note_loads, roster, loads)


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


async def note_loads(roster: Roster, loads: LoadTimes) -> None:
    """Record each load once; those of an earlier hive it has recorded itself."""
    noted = time.time()
    while True:
        seen, latest = roster.pulse.count, noted
        for worker in list(roster.by_id.values()):
            state = worker.state
            if state.ready_at is None or state.load_s is None or state.ready_at <= noted:
                continue
            latest = max(latest, state.ready_at)
            device = ",".join(state.spec.device_ids)
            record = partial(
                loads.record, state.spec.model, device, state.load_s, now=state.ready_at
            )
            try:
                await anyio.to_thread.run_sync(record)
            except StorageError as error:
                _log.warning("load not noted", model=state.spec.model, reason=error.message)
        noted = latest
        await roster.pulse.wait_after(seen)
