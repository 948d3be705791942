"""A store of jobs that outlives the queen's process: a journal with a disk of its own.

Entries are kept in groups, a little after they were appended, as the real journal does
it; what was not kept when the process died is gone. The disk counts how often each job
ended: once is the rule.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from rbee.contracts.jobs import ENDED
from rbee.errors import StorageError
from rbee.foundation.journal import (
    Accepted,
    Changed,
    Entry,
    Forgotten,
    Found,
    Happened,
    JobRow,
    KeptEvent,
    Owner,
    Trimmed,
)

GROUP_S: Final = 0.02  # the real one keeps a POST within 20 ms
OPEN_S: Final = 0.05  # a store opens in a thread, a moment after the job server


class Disk:
    """What is kept for good."""

    def __init__(self) -> None:
        self.rows: dict[str, JobRow] = {}
        self.events: dict[str, list[KeptEvent]] = {}
        self.ends: Counter[str] = Counter()

    def write(self, entry: Entry) -> None:
        """Keep one entry."""
        match entry:
            case Accepted(row=row):
                self.rows[row.job_id] = row
                self.events[row.job_id] = []
            case Happened(job_id=job_id, event=event):
                self.events.setdefault(job_id, []).append(event)
            case Changed(row=row):
                self.rows[row.job_id] = row
                self.ends[row.job_id] += row.status in ENDED
            case Trimmed() | Forgotten():
                pass  # the simulation reads everything in the end


class DiskJournal:
    """A ``foundation.journal.Journal`` for one life of the queen."""

    def __init__(self, disk: Disk) -> None:
        self.fault: StorageError | None = StorageError("The store is not open yet.")
        self._disk = disk
        self._pending: list[tuple[Entry, Callable[[], None] | None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._open = asyncio.Event()
        self._dead = False

    @asynccontextmanager
    async def running(self, owner: Owner) -> AsyncGenerator[None]:
        """Tell the owner what an earlier life left; at the end keep what was appended."""
        opening = asyncio.create_task(self._opening(owner), name="disk")
        try:
            yield
        finally:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            self._keep()

    async def _opening(self, owner: Owner) -> None:
        await asyncio.sleep(OPEN_S)
        disk = self._disk
        owner.found([Found(row, list(disk.events[job_id])) for job_id, row in disk.rows.items()])
        self.fault = None
        self._open.set()

    async def opened(self) -> None:
        """Return when it is open."""
        await self._open.wait()

    def append(self, entry: Entry, then: Callable[[], None] | None = None) -> None:
        """Keep it with the next group."""
        if self._dead:
            return
        self._pending.append((entry, then))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GROUP_S, self._keep)

    async def commit(self, entry: Accepted) -> None:
        """Keep it; return when it is kept.

        Raises:
            StorageError: it is not open yet.
        """
        if self.fault is not None:
            raise self.fault
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def then() -> None:
            if not kept.done():
                kept.set_result(None)

        self.append(entry, then)
        await kept

    async def read(self, job_id: str, after: int) -> Sequence[KeptEvent]:
        """A job's events with ids greater than ``after``."""
        return [event for event in self._disk.events.get(job_id, ()) if event.seq > after]

    async def room(self) -> None:
        """There is always room."""

    def tidy(self) -> None:
        """Nothing to do."""

    def die(self) -> None:
        """The process was killed: what is not kept never will be."""
        self._dead = True
        self._pending.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _keep(self) -> None:
        self._timer = None
        group, self._pending = self._pending, []
        for entry, _ in group:
            self._disk.write(entry)
        for _, then in group:
            if then is not None:
                then()
