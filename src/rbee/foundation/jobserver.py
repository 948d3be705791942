"""Jobs: work that outlives the request that asked for it.

A job starts when it is posted, never at its first subscriber; it numbers and
keeps its events, and any number of subscribers read them at any time, from any
id on. A subscriber that leaves cancels nothing: only DELETE or the deadline
does. A job never ends because of silence. It ends exactly once: completed,
failed or cancelled, and its last message is the bare ``[DONE]``.

The owner of all state here is the event loop: every method that changes
something is synchronous, so no lock is needed.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias, cast

import anyio
import anyio.abc
import msgspec

from rbee.contracts.ids import JobId
from rbee.contracts.jobs import DONE, ENDED, EventType, JobEvent, JobRecord, JobState
from rbee.errors import (
    CapacityError,
    Conflict,
    DeadlineExceeded,
    JobNotFound,
    RbeeError,
    ShuttingDown,
)
from rbee.foundation import sse
from rbee.foundation.faults import unforeseen

LOG_BYTES_MAX = 4 * 1024 * 1024  # wire.md: about 20,000 tokens with their envelopes
ENDED_KEPT_S = 3600.0  # wire.md: long enough to come back to after lunch
ENDED_KEPT_MAX = 1000  # 4 GiB of full logs at worst; in practice logs are a few KiB
RUNNING_MAX = 2000  # a colony queues 1,000 requests; the rest is listings and downloads

Handler: TypeAlias = Callable[["Job"], Awaitable[None]]


class _Kept(NamedTuple):
    seq: int
    frame: bytes


class Job:
    """One job: its state, its numbered events, its subscribers' view."""

    def __init__(self, operation: str, *, actor: str, now: Callable[[], float]) -> None:
        self.id = JobId(f"job-{secrets.token_hex(8)}")
        self.operation = operation
        self.status: JobState = "queued"
        self.created_at = now()
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.error: RbeeError | None = None
        self.scope = anyio.CancelScope()
        self.cancel_asked = False
        self._actor = actor
        self._now = now
        self._seq = 0
        self._kept: deque[_Kept] = deque()
        self._kept_bytes = 0
        self._changed = asyncio.Event()

    def emit(
        self, action: str, message: str, *, type: EventType = "narration", data: object = None
    ) -> None:
        """Append one event. ``data`` is anything that msgspec encodes."""
        self._seq += 1
        event = JobEvent(
            action=action,
            message=message,
            type=type,
            job_id=self.id,
            seq=self._seq,
            ts=round(self._now(), 3),
            actor=self._actor,
            data=data,
        )
        self._append(msgspec.json.encode(event))

    def begin(self) -> None:
        """The work starts now."""
        self.status = "running"
        self.started_at = self._now()

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
        elif status == "cancelled":
            self.emit("cancelled", "The job was cancelled.")
        self.status = status
        self.error = error
        self.ended_at = self._now()
        self._seq += 1
        self._append(DONE.encode())

    @property
    def last_seq(self) -> int:
        """The id of the newest event; once ended, the terminal id."""
        return self._seq

    @property
    def ended(self) -> bool:
        """Whether the job's one end has been reached."""
        return self.status in ENDED

    def record(self) -> JobRecord:
        """The job's state as the API shows it."""
        return JobRecord(
            job_id=self.id,
            operation=self.operation,
            status=self.status,
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            events=self._seq,
            error=self.error.message if self.error else None,
        )

    async def frames(self, after: int = 0) -> AsyncIterator[bytes]:
        """SSE frames with an id greater than ``after``, live until ``[DONE]``.

        Says so in a comment when events after that id were dropped from the log.
        Yields keep-alive comments in silence.
        """
        while True:
            pending, lost = self._since(after)
            if lost:
                yield sse.comment(f"{lost} events after id {after} are no longer kept")
            for kept in pending:
                yield kept.frame
                after = kept.seq
            if self.ended and after >= self._seq:
                return
            if after >= self._seq:
                changed = self._changed
                with anyio.move_on_after(sse.KEEP_ALIVE_EVERY_S) as waiting:
                    await changed.wait()
                if waiting.cancelled_caught:
                    yield sse.KEEP_ALIVE

    def _since(self, after: int) -> tuple[list[_Kept], int]:
        """Events after an id, newest last, and how many of them were dropped."""
        pending: list[_Kept] = []
        for kept in reversed(self._kept):
            if kept.seq <= after:
                break
            pending.append(kept)
        pending.reverse()
        oldest = pending[0].seq if pending else self._seq + 1
        return pending, max(0, oldest - after - 1)

    def _append(self, data: bytes) -> None:
        frame = sse.frame(data, event_id=self._seq)
        self._kept.append(_Kept(self._seq, frame))
        self._kept_bytes += len(frame)
        while self._kept_bytes > LOG_BYTES_MAX and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popleft().frame)
        self._changed.set()
        self._changed = asyncio.Event()


class JobServer:
    """All jobs of one daemon. Enter it as an async context manager before use."""

    def __init__(self, *, actor: str, now: Callable[[], float] = time.time) -> None:
        self._actor = actor
        self._now = now
        self._jobs: dict[JobId, Job] = {}
        self._tasks: anyio.abc.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        """Open the group that the jobs run in."""
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Cancel what still runs and wait for it."""
        tasks, self._tasks = self._tasks, None
        if tasks is None:
            return None
        tasks.cancel_scope.cancel()
        return await tasks.__aexit__(kind, value, trace)

    def submit(self, operation: str, handler: Handler, *, deadline_s: float | None = None) -> Job:
        """Start a job now and return it.

        Raises:
            CapacityError: too many jobs run already.
            ShuttingDown: the daemon is going away.
        """
        if self._tasks is None:
            raise ShuttingDown("This server is stopping.")
        self._forget_expired()
        if sum(1 for job in self._jobs.values() if not job.ended) >= RUNNING_MAX:
            raise CapacityError(f"{RUNNING_MAX} jobs run already.")
        job = Job(operation, actor=self._actor, now=self._now)
        self._jobs[job.id] = job
        self._tasks.start_soon(self._run, job, handler, deadline_s, name=job.id)
        return job

    def get(self, job_id: str) -> Job:
        """The job of this id.

        Raises:
            JobNotFound: unknown, or its log has expired.
        """
        job = self._jobs.get(JobId(job_id))
        if job is None:
            raise JobNotFound(f"There is no job {job_id!r}.")
        return job

    def list(self) -> list[Job]:
        """All jobs, newest first."""
        self._forget_expired()
        return sorted(self._jobs.values(), key=lambda job: job.created_at, reverse=True)

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; cancelling it twice is the same as once.

        Raises:
            JobNotFound: no such job.
            Conflict: it has completed or failed already.
        """
        job = self.get(job_id)
        if job.status in {"completed", "failed"}:
            raise Conflict(
                f"Job {job_id} has {job.status} already; nothing was cancelled.",
                remedy=f"`GET /v1/jobs/{job_id}` says how it ended.",
            )
        job.cancel_asked = True
        job.scope.cancel()
        return job

    async def _run(self, job: Job, handler: Handler, deadline_s: float | None) -> None:
        if deadline_s is not None:
            job.scope.deadline = anyio.current_time() + deadline_s
        try:
            with job.scope:
                job.begin()
                await handler(job)
                job.end("completed")
        except Exception as error:  # noqa: BLE001  a job is a process boundary: it must end
            cause = _cause(error)
            if not isinstance(cause, RbeeError):
                cause = unforeseen(cause, where=f"job {job.operation}")
            job.end("failed", cause)
        finally:
            if not job.ended:
                self._end_cancelled(job, deadline_s)

    def _end_cancelled(self, job: Job, deadline_s: float | None) -> None:
        if job.cancel_asked or not job.scope.cancelled_caught:
            job.end("cancelled")
        else:
            job.end("failed", DeadlineExceeded(f"The deadline of {deadline_s:g} s has passed."))

    def _forget_expired(self) -> None:
        ended = [job for job in self._jobs.values() if job.ended_at is not None]
        ended.sort(key=lambda job: job.ended_at or 0.0)
        surplus = len(ended) - ENDED_KEPT_MAX
        for index, job in enumerate(ended):
            if index < surplus or (job.ended_at or 0.0) < self._now() - ENDED_KEPT_S:
                del self._jobs[job.id]


def _cause(error: Exception) -> Exception:
    """The one error inside the groups that task groups wrap around it."""
    if not isinstance(error, ExceptionGroup):
        return error
    inside = list(cast("ExceptionGroup[Exception]", error).exceptions)
    return _cause(inside[0]) if len(inside) == 1 else cast("Exception", error)
