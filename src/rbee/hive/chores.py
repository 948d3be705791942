"""What a hive does beside its workers, for ever: stop the idle, remember what the used ones hold."""

import time
from functools import partial
from typing import Final

import anyio
import anyio.to_thread

from rbee.errors import StorageError
from rbee.foundation import logs
from rbee.hive.fitting import Fitting, neighbours
from rbee.hive.keep_alive import ASK_EVERY_S, idle_too_long
from rbee.hive.ties import Ties
from rbee.hive.workers.roster import Roster
from rbee.hive.workers.supervisor import Supervisor

MEASURE_EVERY_S: Final = 30.0  # a worker's memory grows over minutes; a look costs nothing much

_log = logs.get(__name__)


async def stop_idle(supervisor: Supervisor, keep_alive_s: float, ties: Ties) -> None:
    """Stop workers that nobody used for long, while there is no queen to say so."""
    while True:
        await anyio.sleep(ASK_EVERY_S)
        over = idle_too_long(
            supervisor.roster.stats(),
            keep_alive_s=keep_alive_s,
            queen_silent_s=ties.queen_silent_s(time.monotonic()),
        )
        for worker_id in over:
            _log.info("idle and no queen", worker_id=worker_id)
            supervisor.stop(worker_id)


async def measure(fitting: Fitting, roster: Roster) -> None:
    """Remember what used workers really hold, for the next ones of their kind."""
    while True:
        await anyio.sleep(MEASURE_EVERY_S)
        seen = neighbours(roster)
        try:
            await anyio.to_thread.run_sync(partial(fitting.note, seen, now=time.time()))
        except StorageError as error:  # estimates go on without it
            _log.warning("measurement not kept", reason=error.message)
