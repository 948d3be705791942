"""What a hive does every ten seconds: check in with the shims, keep the logs short.

The sign of life is the time of one file, ``<data>/hive/alive``; every shim looks
at it and ends its engine when it has stood still for too long.
"""

from pathlib import Path
from typing import Final

import anyio

from rbee.foundation import logs as daemon_logs
from rbee.foundation.files import PRIVATE_FILE_MODE, make_private_dir
from rbee.hive.workers import logs
from rbee.hive.workers.record import Worker
from rbee.hive.workers.roster import Roster
from rbee.hive.workers.state import StateStore

HOUSE_EVERY_S: Final = 10.0  # reliability.md: a sixtieth of the time after which shims give up

_log = daemon_logs.get(__name__)


class House:
    """The chores. ``trouble`` says why our own files cannot be written; None when they can."""

    def __init__(self, alive: Path, store: StateStore, roster: Roster, log_bytes_max: int) -> None:
        self._alive = alive
        self._store = store
        self._roster = roster
        self._log_bytes_max = log_bytes_max
        self.trouble: str | None = None

    async def keep(self) -> None:
        """Do the chores until cancelled."""
        while True:
            self.sign_of_life()
            for worker in list(self._roster.by_id.values()):
                if worker.running is not None:
                    self._rotate(worker)
            await anyio.sleep(HOUSE_EVERY_S)

    def sign_of_life(self) -> None:
        """Check in with the shims."""
        try:
            make_private_dir(self._alive.parent)
            self._alive.touch(mode=PRIVATE_FILE_MODE)
        except OSError as error:
            self.trouble = f"{self._alive} cannot be written: {error.strerror}."
            _log.error("no sign of life", reason=error.strerror)

    def _rotate(self, worker: Worker) -> None:
        log = logs.log_path(self._store.directory(worker.id))
        try:
            logs.rotate(log, bytes_max=self._log_bytes_max, running=True)
        except OSError as error:
            _log.warning("log not rotated", worker_id=worker.id, reason=error.strerror)
