"""What is done with workers that are there: list, show, end and restart them; wait for one.

``operations`` decodes, routes and spawns; ``workers/supervisor`` owns the workers and does
what is asked. This file speaks the words of the contract and waits for what becomes of it.
"""

from typing import Final

import anyio

from rbee.contracts.ids import HiveId, WorkerId
from rbee.contracts.jobs import WorkerProcessDelete, WorkerProcessGet, WorkerRestart
from rbee.contracts.workers import WorkerStats, as_process
from rbee.errors import InvalidRequest, ShuttingDown
from rbee.foundation.jobserver import Job
from rbee.hive.engines.openai_url import NAME as RELAY
from rbee.hive.workers.supervisor import Supervisor

WAIT_SAID_EVERY_S: Final = 5.0  # a person who watches a long load sees that it goes on


class WorkerOperations:
    """The workers of one hive."""

    def __init__(self, hive_id: HiveId, supervisor: Supervisor) -> None:
        self._hive_id = hive_id
        self._supervisor = supervisor
        self._roster = supervisor.roster

    async def wait_ready(self, worker_id: WorkerId, job: Job) -> WorkerStats:
        """Tell a load until the worker serves; its figures then.

        Raises:
            EngineError, CorruptModel, OutOfMemory: why it will not get ready.
            Conflict: somebody stopped it. ShuttingDown: the hive goes away.
        """
        told: set[tuple[str, int, bool]] = set()

        def report(stats: WorkerStats) -> None:
            runs = stats.pid is not None
            now = (stats.status, stats.generation, runs)
            if stats.status != "starting" or now in told:
                return
            told.add(now)
            if runs:
                words, action = (
                    f"Process {stats.pid} loads {stats.model} with {stats.engine}.",
                    "worker_spawn_health_check",
                )
            else:
                again = (
                    f" again (restart {stats.restarts}): {stats.reason.rstrip('.')}"
                    if stats.reason
                    else ""
                )
                words, action = f"Starting {worker_id}{again}.", "worker_spawn_progress"
            job.emit(action, words, type="progress", data=as_process(stats))

        async with anyio.create_task_group() as saying:
            saying.start_soon(_say_waiting, job)
            stats = await self._roster.settled(worker_id, report)
            saying.cancel_scope.cancel()
            return stats
        raise ShuttingDown("This hive is stopping.")  # only a cancellation from above leads here

    async def list(self, job: Job) -> None:
        """All of them, an event each."""
        workers = self._roster.stats()
        for stats in workers:
            job.emit("worker_proc_list_entry", _line(stats), type="data", data=as_process(stats))
        job.emit("worker_proc_list_complete", f"{len(workers)} workers on {self._hive_id}.")

    async def show(self, asked: WorkerProcessGet, job: Job) -> None:
        """All that is known of one."""
        stats = self._roster.find(worker_id=asked.worker_id, pid=asked.pid)
        job.emit("worker_proc_get_details", _line(stats), type="data", data=stats)

    async def delete(self, asked: WorkerProcessDelete, job: Job) -> None:
        """End one: after its running requests, or at once with ``force``."""
        stats = self._roster.find(worker_id=asked.worker_id, pid=asked.pid)
        worker_id = WorkerId(stats.worker_id)
        how = "at once" if asked.force else "after its running requests"
        job.emit(
            "worker_proc_del_start",
            f"Stopping {worker_id} ({stats.model}) {how}.",
            type="data",
            data=as_process(stats),
        )
        self._supervisor.stop(worker_id, force=asked.force)
        async with anyio.create_task_group() as saying:
            saying.start_soon(self._say_sigterm, worker_id, job)
            await self._roster.gone(worker_id)
            saying.cancel_scope.cancel()
        stats.status, stats.pid = "stopped", None
        job.emit(
            "worker_proc_del_ok", f"{worker_id} is stopped.", type="data", data=as_process(stats)
        )

    async def restart(self, asked: WorkerRestart, job: Job) -> None:
        """End its process and start it again: the same id, place and port, a new generation.

        Raises:
            InvalidRequest: it stands for a server that is not ours.
            WorkerNotFound, Conflict: it is gone, or somebody stopped it meanwhile.
            EngineError: its process cannot be ended, or does not start.
        """
        stats = self._roster.find(worker_id=asked.worker_id, pid=asked.pid)
        if stats.engine == RELAY:
            raise InvalidRequest(
                f"Worker {stats.worker_id} stands for a server by URL, which is not ours to"
                " restart, at `$.worker_id`.",
                remedy=f"`rbee worker stop {stats.worker_id}`, then spawn it with its URL.",
                param="$.worker_id",
            )
        worker_id = WorkerId(stats.worker_id)
        how = "at once" if asked.force else "after its running requests"
        job.emit(
            "worker_restart_start",
            f"Restarting {worker_id} ({stats.model}) {how}.",
            type="data",
            data=as_process(stats),
        )
        self._supervisor.restart(worker_id, force=asked.force)
        async with anyio.create_task_group() as saying:
            saying.start_soon(self._say_sigterm, worker_id, job)
            await self._roster.begun_after(worker_id, stats.generation)
            saying.cancel_scope.cancel()
        tell_ready(job, await self.wait_ready(worker_id, job))

    async def _say_sigterm(self, worker_id: WorkerId, job: Job) -> None:
        """Say when the drain is over and the process is told to end."""
        while True:
            seen = self._roster.pulse.count
            worker = self._roster.by_id.get(worker_id)
            if worker is None or worker.state.status in {"stopping", "stopped"}:
                job.emit("worker_proc_del_sigterm", f"{worker_id} is told to end.")
                return
            await self._roster.pulse.wait_after(seen)


def tell_ready(job: Job, stats: WorkerStats) -> None:
    """Say that it serves, and how long its load took."""
    took = f" after {stats.load_s:.1f} s" if stats.load_s is not None else ""
    job.emit(
        "worker_spawn_complete",
        f"{stats.worker_id} serves {stats.model} on port {stats.port}{took}.",
        type="data",
        data=as_process(stats),
    )


async def _say_waiting(job: Job) -> None:
    """Tell now and then that a load goes on; a job's subscriber may be a person."""
    began = anyio.current_time()
    while True:
        await anyio.sleep(WAIT_SAID_EVERY_S)
        waited = anyio.current_time() - began
        job.emit("worker_spawn_progress", f"Still loading after {waited:.0f} s.", type="progress")


def _line(stats: WorkerStats) -> str:
    return f"{stats.worker_id}: {stats.model} on port {stats.port}, {stats.status}"
