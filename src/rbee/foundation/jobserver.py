"""Jobs: work that outlives the request that asked for it.

A job starts when it is posted, never at its first subscriber; it numbers and
keeps its events, and any number of subscribers read them at any time, from any
id on. A subscriber that leaves cancels nothing: only DELETE or the deadline
does. A job never ends because of silence. It ends exactly once: completed,
failed or cancelled, and its last message is the bare ``[DONE]``.

With a journal, jobs that are ``accept``-ed outlive the process too: they are
kept before they are answered, a server that stops lets go of them without
ending them, and its successor goes on where the journal ends.

The owner of all state here is the event loop: every method that changes
something is synchronous, so no lock is needed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self, TypeAlias, cast

import anyio
import anyio.abc

from rbee.contracts.ids import JobId
from rbee.errors import (
    CapacityError,
    Conflict,
    DeadlineExceeded,
    JobNotFound,
    QueenRestarted,
    RbeeError,
    ShuttingDown,
    StorageError,
)
from rbee.foundation import logs
from rbee.foundation.faults import unforeseen
from rbee.foundation.job import Job
from rbee.foundation.journal import Accepted, Forgotten, Found, Journal

__all__ = ["Handler", "Job", "JobServer", "Recover"]

ENDED_KEPT_S = 3600.0  # wire.md: long enough to come back to after lunch
ENDED_KEPT_MAX = 1000  # 4 GiB of full logs at worst; in practice logs are a few KiB
RUNNING_MAX = 2000  # a colony queues 1,000 requests; the rest is listings and downloads
RUNNING_PER_OWNER_MAX: Final = 1000  # half: one key must leave room for the others
RESTARTS_MAX: Final = 20  # twenty deaths in one job's life are no accident: it may be their cause
LOOK_EVERY_S: Final = 1.0  # sorting a thousand ended jobs is not for every POST
EXPIRE_EVERY_S: Final = 30.0  # nobody counts an hour more exactly than that
ARCHIVE_AFTER_S: Final = 60.0  # who watched live has read the end by then
CANCEL_KEPT_S: Final = 5.0  # a cancel is kept within 50 ms, or the store is in trouble

Handler: TypeAlias = Callable[[Job], Awaitable[None]]
Recover: TypeAlias = Callable[[Found], Handler]


class JobServer:
    """All jobs of one daemon. Enter it as an async context manager before use."""

    def __init__(
        self,
        *,
        actor: str,
        now: Callable[[], float] = time.time,
        journal: Journal | None = None,
    ) -> None:
        self._actor = actor
        self._now = now
        self._journal = journal
        self._recover: Recover | None = None
        self._jobs: dict[JobId, Job] = {}
        self._accepting = 0
        self._look_at = 0.0
        self._stopping = False
        self._tasks: anyio.abc.TaskGroup | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the group that the jobs run in, and the journal beside it."""
        # The journal is entered first, so that it closes last: it writes what jobs leave.
        # It opens in a thread, so `found` is never called before the group below is there.
        if self._journal is not None:
            await self._stack.enter_async_context(self._journal.running(self))
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._expire)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Cancel what still runs, let go of what will go on elsewhere, and wait for both."""
        self.suspend()
        tasks, self._tasks = self._tasks, None
        try:
            if tasks is None:
                return None
            tasks.cancel_scope.cancel()
            return await tasks.__aexit__(kind, value, trace)
        finally:
            await self._stack.aclose()

    # ── what rooms call ──────────────────────────────────────────────────────

    def recover_with(self, recover: Recover) -> None:
        """Say how a job that an earlier process left is gone on with."""
        self._recover = recover

    def submit(
        self,
        operation: str,
        handler: Handler,
        *,
        deadline_s: float | None = None,
        owner: str = "",
    ) -> Job:
        """Start a job now and return it; it is not kept in a journal.

        ``owner`` is the id of the principal that sees it beside the operators.

        Raises:
            CapacityError: too many jobs run already.
            ShuttingDown: the daemon is going away.
        """
        self._check_room(owner)
        job = Job(operation, actor=self._actor, now=self._now, deadline_s=deadline_s, owner=owner)
        self._start(job, handler)
        return job

    async def accept(
        self,
        operation: str,
        handler: Handler,
        *,
        request: bytes,
        deadline_s: float | None = None,
        owner: str = "",
    ) -> Job:
        """Start a job that outlives this process; return when it is kept.

        ``request`` is what ``recover`` needs to go on with it. Without a journal
        it is as ``submit``.

        Raises:
            CapacityError: too many jobs run already.
            ShuttingDown: the daemon is going away.
            StorageError: it cannot be kept, so it was not started.
        """
        if self._journal is None:
            return self.submit(operation, handler, deadline_s=deadline_s, owner=owner)
        self._check_room(owner)
        job = Job(
            operation,
            actor=self._actor,
            now=self._now,
            journal=self._journal,
            request=request,
            deadline_s=deadline_s,
            owner=owner,
        )
        self._accepting += 1
        try:
            await self._journal.commit(Accepted(job.row))
        except asyncio.CancelledError:
            # Nobody learns its id: it must not start with the next process either.
            self._journal.append(Forgotten(job.id))
            raise
        finally:
            self._accepting -= 1
        if self._tasks is None:
            raise ShuttingDown("This server is stopping; the job is kept and starts with the next.")
        self._start(job, handler)
        return job

    async def ready(self) -> None:
        """Return when the jobs of an earlier process are known, or cannot be."""
        if self._journal is not None:
            await self._journal.opened()

    def suspend(self) -> None:
        """The daemon is going away: start nothing more, and end no kept job because of it."""
        self._stopping = True

    def let_go(self) -> None:
        """Stop working on kept jobs: their streams end here, they go on in the next process."""
        self.suspend()
        for job in self._jobs.values():
            if job.durable and not job.ended:
                job.scope.cancel()

    def get(self, job_id: str) -> Job:
        """The job of this id.

        Raises:
            JobNotFound: unknown, or its log has expired.
            StorageError: unknown, and the journal that may know it cannot be read now.
        """
        job = self._jobs.get(JobId(job_id))
        if job is not None:
            return job
        if self._journal is not None and self._journal.fault is not None:
            raise self._journal.fault.with_traceback(None)  # raised often: it must not grow
        raise JobNotFound(f"There is no job {job_id!r}.")

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

    async def cancelled(self, job_id: str) -> Job:
        """Cancel a job; of one with a journal, return when its end is kept.

        Raises:
            JobNotFound, Conflict: as ``cancel``.
            StorageError: it was told to stop, and that could not be kept.
        """
        job = self.cancel(job_id)
        if job.durable:
            with anyio.move_on_after(CANCEL_KEPT_S):
                await job.wait_over()
            if not job.over:
                raise StorageError(
                    f"Job {job_id} was told to stop, and its end could not be written.",
                    remedy="It may start again with the queen: look at the queen's log, "
                    "and cancel it again then.",
                )
        return job

    # ── what the journal calls ───────────────────────────────────────────────

    def found(self, jobs: Sequence[Found]) -> None:
        """Take over what an earlier process left: ended jobs to show, others to go on with."""
        if self._journal is None:
            return
        for left in jobs:
            job = Job.remembered(
                left.row, left.events, actor=self._actor, now=self._now, journal=self._journal
            )
            if job.ended:
                self._jobs[job.id] = job
            elif self._tasks is not None:
                self._go_on(job, left)
        self._forget_expired()

    def lost(self, error: RbeeError) -> None:
        """The journal broke for good: its running jobs end here, and say why."""
        for job in list(self._jobs.values()):
            if job.durable and not job.over:
                job.detach(error)
                job.scope.cancel()

    # ── inside ───────────────────────────────────────────────────────────────

    def _check_room(self, owner: str) -> None:
        if self._tasks is None or self._stopping:
            raise ShuttingDown("This server is stopping.")
        self._forget_expired()
        running = [job.owner for job in self._jobs.values() if not job.ended]
        if len(running) + self._accepting >= RUNNING_MAX:
            raise CapacityError(f"{RUNNING_MAX} jobs run already.")
        if owner and running.count(owner) >= RUNNING_PER_OWNER_MAX:
            raise CapacityError(f"{RUNNING_PER_OWNER_MAX} jobs of this key run already.")

    def _go_on(self, job: Job, left: Found) -> None:
        job.restarts += 1
        try:
            if self._recover is None:
                raise QueenRestarted("This server does not know how to go on with the job.")
            if job.restarts > RESTARTS_MAX:
                raise QueenRestarted(f"The job has seen {RESTARTS_MAX} restarts already.")
            handler = self._recover(left)
        except RbeeError as error:
            self._jobs[job.id] = job
            job.end("failed", error)
            return
        self._start(job, handler)

    def _start(self, job: Job, handler: Handler) -> None:
        self._jobs[job.id] = job
        if self._tasks is not None:
            self._tasks.start_soon(self._run, job, handler, name=job.id)

    async def _run(self, job: Job, handler: Handler) -> None:
        logs.of_request(job.id)
        if (left_s := job.left_s) is not None:
            job.scope.deadline = anyio.current_time() + left_s
        try:
            with job.scope:
                job.begin()
                await handler(job)
                job.end("completed")
        except Exception as error:  # noqa: BLE001  a job is a process boundary: it must end
            cause = _cause(error)
            if not isinstance(cause, RbeeError):
                cause = unforeseen(cause, where=f"job {job.operation}")
            if not (self._lets_go(job) and isinstance(cause, ShuttingDown)):
                job.end("failed", cause)
        finally:
            if not job.ended:
                self._end_early(job)

    def _lets_go(self, job: Job) -> bool:
        """Whether the job goes on in the next process instead of ending in this one."""
        return self._stopping and job.durable and not job.cancel_asked

    def _end_early(self, job: Job) -> None:
        if job.lost is not None:
            job.end("failed", job.lost)
        elif self._lets_go(job):
            job.suspend()
        elif job.cancel_asked or not job.scope.cancelled_caught:
            job.end("cancelled")
        else:
            late = DeadlineExceeded(f"The deadline of {job.deadline_s or 0:g} s has passed.")
            job.end("failed", late)

    async def _expire(self) -> None:
        """Forget and archive as time passes, also while nobody asks."""
        while True:
            await anyio.sleep(EXPIRE_EVERY_S)
            self._forget_expired()
            before = self._now() - ARCHIVE_AFTER_S
            old = [j for j in self._jobs.values() if j.ended_at is not None and j.ended_at < before]
            if sum(job.archive() for job in old) and self._journal is not None:
                self._journal.tidy()  # what they asked is gone from the disk too

    def _forget_expired(self) -> None:
        if self._now() < self._look_at:
            return
        self._look_at = self._now() + LOOK_EVERY_S
        ended = [job for job in self._jobs.values() if job.ended_at is not None]
        ended.sort(key=lambda job: job.ended_at or 0.0)
        surplus = len(ended) - ENDED_KEPT_MAX
        forgotten = 0
        for index, job in enumerate(ended):
            if index < surplus or (job.ended_at or 0.0) < self._now() - ENDED_KEPT_S:
                del self._jobs[job.id]
                if job.durable and self._journal is not None:
                    self._journal.append(Forgotten(job.id))
                    forgotten += 1
        if forgotten and self._journal is not None:
            self._journal.tidy()


def _cause(error: Exception) -> Exception:
    """The one error inside the groups that task groups wrap around it."""
    if not isinstance(error, ExceptionGroup):
        return error
    inside = list(cast("ExceptionGroup[Exception]", error).exceptions)
    return _cause(inside[0]) if len(inside) == 1 else cast("Exception", error)
