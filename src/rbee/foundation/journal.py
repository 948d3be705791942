"""The seam between jobs and whatever keeps them: what a job server writes, and asks back.

A journal takes entries in order, writes them in groups, and calls back when an
entry is kept for good: only then may anybody see what it says, so that an id
that was shown is an id that is kept. A job server without a journal keeps its
jobs in memory and loses them with the process, which is enough for a hive.
``rbee.queen.store`` has the one implementation.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from rbee.contracts.jobs import JobState
from rbee.errors import RbeeError, StorageError


class JobRow(msgspec.Struct, kw_only=True, frozen=True):
    """What is kept of a job beside its events. Times are Unix seconds.

    ``request`` is what its owner needs to run it again, in the owner's own
    encoding; it is dropped as soon as the job has ended. ``restarts`` counts the
    restarts of the server that the job went through. ``owner`` is the id of the
    principal that asked for it; empty: the operators'.
    """

    job_id: str
    operation: str
    status: JobState
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    deadline_at: float | None = None
    error: str | None = None
    last_seq: int = 0
    restarts: int = 0
    request: bytes | None = None
    owner: str = ""


class KeptEvent(NamedTuple):
    """One event: its id in the job's stream, and the ``data`` of its SSE message."""

    seq: int
    data: bytes


class Accepted(NamedTuple):
    """A new job."""

    row: JobRow


class Happened(NamedTuple):
    """One more event of a job."""

    job_id: str
    event: KeptEvent


class Changed(NamedTuple):
    """A job began, went on after a restart, or ended."""

    row: JobRow


class Trimmed(NamedTuple):
    """A job's log outgrew its bound: events up to this id are no longer wanted."""

    job_id: str
    upto: int


class Forgotten(NamedTuple):
    """A job has expired: nothing of it is kept any more."""

    job_id: str


Entry: TypeAlias = Accepted | Happened | Changed | Trimmed | Forgotten


class Found(NamedTuple):
    """A job that an earlier process left. Only of one that has not ended come the events."""

    row: JobRow
    events: Sequence[KeptEvent]


class Owner(Protocol):
    """Who the journal belongs to: the job server."""

    def found(self, jobs: Sequence[Found]) -> None:
        """The journal is open; these jobs were in it, the oldest first."""
        ...

    def lost(self, error: RbeeError) -> None:
        """The journal broke for good: nothing will be written any more."""
        ...


class Journal(Protocol):
    """Keeps jobs. Owned by the event loop; ``append`` never waits."""

    @property
    def fault(self) -> StorageError | None:
        """Why nothing can be written at the moment, or None."""
        ...

    def running(self, owner: Owner) -> AbstractAsyncContextManager[None]:
        """Work for the length of a block; what was appended is written before it ends."""
        ...

    async def opened(self) -> None:
        """Return when the first attempt to open it has ended, well or not."""
        ...

    def append(self, entry: Entry, then: Callable[[], None] | None = None) -> None:
        """Write ``entry`` with the next group, and call ``then`` when it is kept."""
        ...

    async def commit(self, entry: Accepted) -> None:
        """Write the entry; return when it is kept.

        Raises:
            StorageError: it is not, and will not be.
        """
        ...

    async def read(self, job_id: str, after: int) -> Sequence[KeptEvent]:
        """A page of a job's events with ids greater than ``after``; none at the end.

        Raises:
            StorageError: the journal cannot be read.
        """
        ...

    async def room(self) -> None:
        """Return when more may be appended: at once, unless writing is far behind."""
        ...

    def tidy(self) -> None:
        """Give room back to the disk, some time soon."""
        ...
