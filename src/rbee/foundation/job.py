"""One job: its state, its numbered events, its subscribers' view of both.

A job that has a journal shows nothing before it is kept: subscribers read events
up to the last one that was committed, and the state says "ended" when the end
itself is. Without a journal everything is shown as it happens. Memory holds the
newest 4 MiB of a log; some time after its end a kept job's log is read from the
journal instead.

The owner of all state here is the event loop: every method that changes
something is synchronous, so no lock is needed.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Self

import anyio
import msgspec

from rbee.contracts.ids import JobId
from rbee.contracts.jobs import DONE, ENDED, EventType, JobEvent, JobRecord, JobState
from rbee.errors import CapacityError, RbeeError
from rbee.foundation import sse
from rbee.foundation.journal import Changed, Happened, JobRow, Journal, KeptEvent, Trimmed

LOG_BYTES_MAX = 4 * 1024 * 1024  # wire.md: about 20,000 tokens with their envelopes


class _Kept(NamedTuple):
    seq: int
    frame: bytes


class Job:
    """One job. ``request`` and ``deadline_at`` matter to one that outlives its process."""

    def __init__(
        self,
        operation: str,
        *,
        actor: str,
        now: Callable[[], float],
        journal: Journal | None = None,
        request: bytes | None = None,
        deadline_s: float | None = None,
        owner: str = "",
    ) -> None:
        self.id = JobId(f"job-{secrets.token_hex(8)}")
        self.operation = operation
        self.owner = owner
        self.status: JobState = "queued"
        self.created_at = now()
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.error: str | None = None
        self.scope = anyio.CancelScope()
        self.cancel_asked = False
        self.suspended = False
        self.lost: RbeeError | None = None
        self.said: str | None = None  # its last words, and what it is about: for a list of jobs
        self.hive_id: str | None = None
        self.model: str | None = None
        self.deadline_s = deadline_s
        self.restarts = 0
        self._request = request
        self._actor = actor
        self._now = now
        self._journal = journal
        self._seq = 0
        self._shown = 0
        self._kept: deque[_Kept] = deque()
        self._kept_bytes = 0
        self._archived = False
        self._changed = asyncio.Event()

    @classmethod
    def remembered(
        cls,
        row: JobRow,
        events: Sequence[KeptEvent],
        *,
        actor: str,
        now: Callable[[], float],
        journal: Journal,
    ) -> Self:
        """The job that an earlier process kept; with its events when it has not ended."""
        job = cls(row.operation, actor=actor, now=now, journal=journal, request=row.request)
        job.owner = row.owner
        job.id = JobId(row.job_id)
        job.status = row.status
        job.created_at, job.started_at, job.ended_at = row.created_at, row.started_at, row.ended_at
        job.error = row.error
        job.restarts = row.restarts
        if row.deadline_at is not None:
            job.deadline_s = row.deadline_at - row.created_at
        for event in events:
            job._keep(event)
        job._seq = job._shown = events[-1].seq if events else row.last_seq
        job._archived = job.ended
        return job

    # ── what the work does ───────────────────────────────────────────────────

    def emit(
        self, action: str, message: str, *, type: EventType = "narration", data: object = None
    ) -> None:
        """Append one event. ``data`` is anything that msgspec encodes."""
        self.said = message
        event = JobEvent(
            action=action,
            message=message,
            type=type,
            job_id=self.id,
            seq=self._seq + 1,
            ts=round(self._now(), 3),
            actor=self._actor,
            data=data,
        )
        self._append(msgspec.json.encode(event))

    async def room(self) -> None:
        """Wait while the journal is far behind; work that makes many events calls this."""
        if self._journal is not None:
            await self._journal.room()

    # ── what the job server does ─────────────────────────────────────────────

    def begin(self) -> None:
        """The work starts now, or goes on after a restart of the server."""
        self.status = "running"
        self.started_at = self.started_at or self._now()
        self._note_change()

    def end(self, status: JobState, error: RbeeError | None = None) -> None:
        """The job's one end: the closing event where there is one, then ``[DONE]``."""
        if error is not None:
            data: dict[str, Any] = {
                "code": error.code,
                "status": error.status,
                "remedy": error.remedy,
                "param": error.param,
            }
            if isinstance(error, CapacityError):
                data["retry_after_s"] = error.retry_after_s
            self.emit("error", error.message, type="error", data=data)
            self.error = error.message
        elif status == "cancelled":
            self.emit("cancelled", "The job was cancelled.")
        self.status = status
        self.ended_at = self._now()
        self._request = None
        # Nothing awaits in between: one group of the journal has both, or neither.
        self._append(DONE.encode())
        self._note_change()

    def suspend(self) -> None:
        """The server goes away, the job does not: streams end here without ``[DONE]``."""
        self.suspended = True
        self._tell()

    def detach(self, error: RbeeError) -> None:
        """The journal broke for good: show what is in memory; ``lost`` says what to end with."""
        self._journal = None
        self.lost = error
        self._shown = self._seq
        self._tell()

    def archive(self) -> bool:
        """Leave the log of an ended job to the journal; whether that was news."""
        if self._journal is None or self._archived or not self.over:
            return False
        self._archived = True
        self._kept.clear()
        self._kept_bytes = 0
        return True

    @property
    def durable(self) -> bool:
        """Whether a journal keeps it."""
        return self._journal is not None

    @property
    def ended(self) -> bool:
        """Whether the job's one end has been reached."""
        return self.status in ENDED

    @property
    def left_s(self) -> float | None:
        """How long it may still take; None without a deadline."""
        if self.deadline_s is None:
            return None
        return max(0.0, self.created_at + self.deadline_s - self._now())

    @property
    def row(self) -> JobRow:
        """What a journal keeps of it."""
        deadline_at = None if self.deadline_s is None else self.created_at + self.deadline_s
        return JobRow(
            job_id=self.id,
            operation=self.operation,
            status=self.status,
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            deadline_at=deadline_at,
            error=self.error,
            last_seq=self._seq,
            restarts=self.restarts,
            request=self._request,
            owner=self.owner,
        )

    # ── what others see ──────────────────────────────────────────────────────

    @property
    def last_seq(self) -> int:
        """The id of the newest event; once over, the terminal id."""
        return self._seq

    @property
    def over(self) -> bool:
        """Whether it has ended and its end may be shown."""
        return self.ended and self._shown >= self._seq

    async def wait_over(self) -> None:
        """Return when the end is reached and kept, or when the server goes away."""
        while not (self.over or self.suspended):
            await self._changed.wait()

    def record(self) -> JobRecord:
        """The job's state as the API shows it: an end that is not kept yet is none."""
        over = self.over
        return JobRecord(
            job_id=self.id,
            operation=self.operation,
            status=self.status if over or not self.ended else "running",
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at if over else None,
            events=self._shown,
            error=self.error if over else None,
        )

    async def frames(self, after: int = 0) -> AsyncIterator[bytes]:
        """SSE frames with an id greater than ``after``, live until ``[DONE]``.

        Says so in a comment when events after that id were dropped from the log.
        Yields keep-alive comments in silence. Ends without ``[DONE]`` when the
        server goes away and the job will go on.
        """
        while True:
            changed = self._changed
            pending, lost = await self._after(after)
            if lost:
                yield sse.comment(f"{lost} events after id {after} are no longer kept")
            for kept in pending:
                yield kept.frame
                after = kept.seq
            if (self.over and after >= self._seq) or self.suspended:
                return
            if self._archived and not pending:
                return  # the journal has no more of it
            if pending or changed.is_set():
                continue
            with anyio.move_on_after(sse.KEEP_ALIVE_EVERY_S) as waiting:
                await changed.wait()
            if waiting.cancelled_caught:
                yield sse.KEEP_ALIVE

    async def _after(self, after: int) -> tuple[list[_Kept], int]:
        """Events after an id that may be shown, and how many before them were dropped."""
        if self._archived and self._journal is not None:
            page = await self._journal.read(self.id, after)
            pending = [_Kept(seq, sse.frame(data, event_id=seq)) for seq, data in page]
        else:
            pending = self._in_memory_after(after)
        oldest = pending[0].seq if pending else self._shown + 1
        return pending, max(0, oldest - after - 1)

    def _in_memory_after(self, after: int) -> list[_Kept]:
        pending: list[_Kept] = []
        for kept in reversed(self._kept):
            if kept.seq <= after:
                break
            if kept.seq <= self._shown:
                pending.append(kept)
        pending.reverse()
        return pending

    def _append(self, data: bytes) -> None:
        self._seq += 1
        event = KeptEvent(self._seq, data)
        self._keep(event)
        if self._journal is None:
            self._shown = self._seq
            self._tell()
        else:
            self._journal.append(Happened(self.id, event), partial(self._committed, event.seq))
        self._trim()

    def _keep(self, event: KeptEvent) -> None:
        frame = sse.frame(event.data, event_id=event.seq)
        self._kept.append(_Kept(event.seq, frame))
        self._kept_bytes += len(frame)

    def _trim(self) -> None:
        dropped = 0
        while self._kept_bytes > LOG_BYTES_MAX and len(self._kept) > 1:
            oldest = self._kept.popleft()
            self._kept_bytes -= len(oldest.frame)
            dropped = oldest.seq
        if dropped and self._journal is not None:
            self._journal.append(Trimmed(self.id, dropped))

    def _committed(self, seq: int) -> None:
        if seq > self._shown:
            self._shown = seq
            self._tell()

    def _note_change(self) -> None:
        if self._journal is not None:
            self._journal.append(Changed(self.row))

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
