"""The writer: one task that takes what jobs append and commits it in groups.

Whoever appends goes on at once; callbacks come when the group is kept. What is
new or has ended waits 1 ms for company, events 40 ms, and whatever
arrives while a commit is on its way forms the next group: the slower the disk,
the larger the groups. The database is used from one thread of its own.

A store that cannot be written for now (a full disk, a lock, a server that is
away) loses nothing: the group is tried again until it is kept, nobody sees it
before, and new jobs are refused with the reason. What cannot get better (damage,
another queen has taken over) is told to the owner once. A store that cannot be
opened stays as it is and is tried again; inference does not depend on it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, TypeVar

import anyio

from rbee.errors import CorruptStore, StorageError, StoreTaken
from rbee.foundation import logs
from rbee.foundation.faults import unforeseen
from rbee.foundation.journal import (
    Accepted,
    Entry,
    Forgotten,
    Found,
    Happened,
    KeptEvent,
    Owner,
)
from rbee.queen.store.sql import SqlStore

GATHER_CHANGES_S: Final = 0.001  # what comes during a commit waits for company anyway
GATHER_EVENTS_S: Final = 0.040  # design.md: events are shown within 50 ms
BEHIND_BYTES_MAX: Final = 64 * 1024 * 1024  # unwritten: then work that makes events waits
RETRY_S: Final = 1.0  # a lock or a server that restarts is over in seconds
REOPEN_S: Final = 5.0  # a person repairs it: seconds do not matter, log lines do
FLUSH_S: Final = 5.0  # at exit; what is not kept by then is generated again
OPEN_PATIENCE_S: Final = 10.0  # a request for a job waits so long for the store to open

T = TypeVar("T")

_log = logs.get(__name__)


class _Pending(NamedTuple):
    entry: Entry
    then: Callable[[], None] | None


class StoreJournal:
    """A ``foundation.journal.Journal`` on a database."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rbee-store")
        self._pending: list[_Pending] = []
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._behind_bytes = 0
        self._due_at: float | None = None
        self._wake = asyncio.Event()
        self._written = asyncio.Event()
        self._opened = asyncio.Event()
        self._closing = False
        self._closed = False
        self._tidy_wanted = False
        self._broken = False
        self._fault: StorageError | None = StorageError(
            f"The store {store.name} is not open yet.", remedy="Try again in a moment."
        )
        self.commits = 0

    # ── the seam ─────────────────────────────────────────────────────────────

    @property
    def fault(self) -> StorageError | None:
        """Why nothing can be written at the moment, or None."""
        return self._fault

    @asynccontextmanager
    async def running(self, owner: Owner) -> AsyncGenerator[None]:
        """Open the store and write for the length of a block; then write the rest."""
        writer = asyncio.create_task(self._run(owner), name="store")
        try:
            yield
        finally:
            self._closing = True
            self._wake.set()
            with anyio.CancelScope(shield=True):
                await asyncio.wait({writer}, timeout=FLUSH_S)
                writer.cancel()
                await asyncio.wait({writer})
                await self._in_thread(self._store.close)
                self._closed = True
                self._thread.shutdown()

    async def opened(self) -> None:
        """Return when the first attempt to open the store has ended, well or not."""
        with anyio.move_on_after(OPEN_PATIENCE_S):
            await self._opened.wait()

    def append(self, entry: Entry, then: Callable[[], None] | None = None) -> None:
        """Write ``entry`` with the next group, and call ``then`` when it is kept."""
        if self._broken:
            return
        self._pending.append(_Pending(entry, then))
        within_s = GATHER_CHANGES_S
        if isinstance(entry, Happened):
            self._behind_bytes += len(entry.event.data)
            within_s = GATHER_EVENTS_S
        due_at = time.monotonic() + within_s
        if self._due_at is None or due_at < self._due_at:
            self._due_at = due_at
            self._wake.set()

    async def commit(self, entry: Accepted) -> None:
        """Write the entry; return when it is kept.

        Raises:
            StorageError: the store cannot be written now; the entry is withdrawn.
        """
        if self._fault is not None:
            raise self._fault.with_traceback(None)  # raised often: its trace must not grow
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[entry.row.job_id] = kept
        try:
            self.append(entry)
            await kept
        finally:
            del self._waiting[entry.row.job_id]

    async def read(self, job_id: str, after: int) -> Sequence[KeptEvent]:
        """A page of a job's events with ids greater than ``after``; none at the end.

        Raises:
            StorageError: the store cannot be read.
        """
        return await self._in_thread(lambda: self._store.read(job_id, after))

    async def records(self, kind: str) -> dict[str, bytes]:
        """The small documents of one kind, by their ids; waits for the store to open.

        Raises:
            StorageError: they cannot be read now.
        """
        await self.opened()
        if self._fault is not None:
            raise self._fault.with_traceback(None)  # raised often: its trace must not grow
        return await self._in_thread(lambda: self._store.records(kind))

    async def keep(self, kind: str, id: str, data: bytes) -> None:
        """Keep a small document, in place of the one with its id; return when it is kept.

        Raises:
            StorageError: it is not.
        """
        await self._change_record(kind, id, data)

    async def drop(self, kind: str, id: str) -> None:
        """Take a small document out; return when that is kept. One that is not there is fine.

        Raises:
            StorageError: it is still there.
        """
        await self._change_record(kind, id, None)

    async def room(self) -> None:
        """Return when more may be appended: at once, unless writing is far behind."""
        while self._behind_bytes > BEHIND_BYTES_MAX and not self._broken:
            await self._written.wait()

    def tidy(self) -> None:
        """Give room back to the disk after the next group."""
        self._tidy_wanted = True

    # ── the one task ─────────────────────────────────────────────────────────

    async def _run(self, owner: Owner) -> None:
        try:
            await self._write_on(owner)
        except Exception as error:  # noqa: BLE001  a task's boundary: jobs must not wait for ever
            unforeseen(error, where="the store's writer")
            self._break(StorageError(f"The store {self._store.name} failed; see the log."), owner)

    async def _write_on(self, owner: Owner) -> None:
        found = await self._open()
        if found is None:
            return
        owner.found(found)
        self._opened.set()
        while True:
            await self._gathered()
            if self._pending:
                # All of it: what was appended without an await in between stays in one group.
                group, self._pending, self._due_at = self._pending, [], None
                if not await self._keep(group, owner):
                    return
            elif self._closing:
                return
            if self._tidy_wanted:
                await self._tidy()

    async def _open(self) -> list[Found] | None:
        """Open the store, however often it takes; None when the queen stops before."""
        while not self._closing:
            try:
                found = await self._in_thread(self._store.open)
            except StorageError as error:
                self._fail(error)
                self._opened.set()
                await self._pause(REOPEN_S)
                continue
            self._fault = None
            unfinished = sum(job.row.ended_at is None for job in found)
            _log.info("store open", store=self._store.name, jobs=len(found), unfinished=unfinished)
            return found
        return None

    async def _gathered(self) -> None:
        """Return when a group is due, or the queen stops."""
        while not self._closing:
            self._wake.clear()
            left_s = None if self._due_at is None else self._due_at - time.monotonic()
            if left_s is not None and left_s <= 0:
                return
            with anyio.move_on_after(left_s):
                await self._wake.wait()

    async def _keep(self, group: list[_Pending], owner: Owner) -> bool:
        """Write a group, however often it takes; False when it never will be."""
        while True:
            entries = [pending.entry for pending in group]
            try:
                await self._in_thread(lambda entries=entries: self._store.write(entries))
            except (StoreTaken, CorruptStore) as error:
                self._break(error, owner)
                return False
            except StorageError as error:
                self._fail(error)
                group = self._without_accepted(group, error)
                if self._closing:
                    _log.error("not kept at exit", store=self._store.name, entries=len(group))
                    return False
                await self._pause(RETRY_S)
                continue
            self._settle(group)
            return True

    def _settle(self, group: list[_Pending]) -> None:
        """The group is kept: tell whoever waits for that."""
        self.commits += 1
        if self._fault is not None:
            _log.info("store works again", store=self._store.name)
            self._fault = None
        for entry, then in group:
            if isinstance(entry, Happened):
                self._behind_bytes -= len(entry.event.data)
            elif isinstance(entry, Accepted):
                waiting = self._waiting.get(entry.row.job_id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(None)
            if then is not None:
                then()
        self._woken_for_room()

    def _without_accepted(self, group: list[_Pending], error: StorageError) -> list[_Pending]:
        """Refuse the new jobs of a group that failed; the rest is tried again.

        Their commit may have reached the database all the same, so they are also
        taken out of it: a job that was refused must not run after a restart.
        """
        rest: list[_Pending] = []
        for pending in group:
            entry = pending.entry
            if isinstance(entry, Accepted):
                self._refuse(entry.row.job_id, error)
                rest.append(_Pending(Forgotten(entry.row.job_id), None))
            else:
                rest.append(pending)
        return rest

    def _refuse(self, job_id: str, error: StorageError) -> None:
        waiting = self._waiting.get(job_id)
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    def _break(self, error: StorageError, owner: Owner) -> None:
        """Nothing will be written any more: say so everywhere, once."""
        self._broken = True
        self._fault = error
        _log.error("store lost", store=self._store.name, why=error.message, remedy=error.remedy)
        for job_id in list(self._waiting):
            self._refuse(job_id, error)
        self._pending.clear()
        self._behind_bytes = 0
        self._woken_for_room()
        owner.lost(error)

    def _fail(self, error: StorageError) -> None:
        """Remember why nothing can be written; say so when the reason is a new one."""
        if self._fault is None or self._fault.message != error.message:
            _log.error(
                "store failed", store=self._store.name, why=error.message, remedy=error.remedy
            )
        self._fault = error
        refused = [p for p in self._pending if isinstance(p.entry, Accepted)]
        if refused:
            self._pending = self._without_accepted(self._pending, error)

    async def _tidy(self) -> None:
        self._tidy_wanted = False
        try:
            await self._in_thread(self._store.tidy)
        except StorageError as error:
            _log.warning("store not tidied", store=self._store.name, why=error.message)

    async def _pause(self, pause_s: float) -> None:
        """Sleep; less when the queen stops."""
        if not self._closing:
            self._wake.clear()
            with anyio.move_on_after(pause_s):
                while not self._closing:
                    await self._wake.wait()
                    self._wake.clear()

    async def _change_record(self, kind: str, id: str, data: bytes | None) -> None:
        await self.opened()
        if self._fault is not None:
            raise self._fault.with_traceback(None)  # raised often: its trace must not grow
        await self._in_thread(lambda: self._store.change_record(kind, id, data))

    def _woken_for_room(self) -> None:
        self._written.set()
        self._written = asyncio.Event()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StorageError(f"The store {self._store.name} is closed: the queen is stopping.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
