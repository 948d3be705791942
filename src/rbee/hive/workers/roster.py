"""The workers as everyone but the supervisor sees them: to read and to wait for.

Written by the supervisor's loop alone, in the same event loop, so a read is
always of one moment. Operations, heartbeat and API come here.
"""

import time
from collections.abc import Callable

import msgspec

from rbee.contracts.ids import WorkerId
from rbee.contracts.worker_details import WorkerDetails
from rbee.contracts.workers import WorkerStats
from rbee.errors import Conflict, EngineError, WorkerNotFound
from rbee.hive.devices.usage import GpuUse
from rbee.hive.workers import lifecycle
from rbee.hive.workers.pulse import Pulse
from rbee.hive.workers.record import Worker


class Roster:
    """All workers of this hive; ``pulse`` beats at every change."""

    def __init__(self) -> None:
        self.pulse = Pulse()
        self.by_id: dict[WorkerId, Worker] = {}
        self.gpu_use: Callable[[int | None, tuple[str, ...]], GpuUse] = _no_gpus
        """What a process uses of its devices; set by whoever reads those."""

    def stats(self) -> list[WorkerStats]:
        """All workers, oldest first."""
        now = time.time()
        return [self._stats(worker, now) for worker in self.by_id.values()]

    def _stats(self, worker: Worker, now: float) -> WorkerStats:
        stats = worker.stats(now)
        use = self.gpu_use(stats.pid, worker.state.spec.device_ids)
        stats.gpu_util_pct, stats.vram_mb = use.util_pct, use.vram_mb
        stats.total_vram_mb = use.total_vram_mb
        return stats

    def vram_mb(self, worker: Worker) -> float | None:
        """What its processes hold on its GPUs together, MiB; None: not known."""
        running = worker.running
        if running is None:
            return None
        return self.gpu_use(running.engine.pid, worker.state.spec.device_ids).vram_mb

    def _details(self, worker: Worker) -> WorkerDetails:
        """All of one worker: also what guards it, and how it came to be so."""
        stats = self._stats(worker, time.time())
        stats.isolation = list(worker.state.isolation) or None
        return WorkerDetails(
            **msgspec.structs.asdict(stats),
            asked=worker.state.asked,
            fit=worker.state.fit,
        )

    def keys(self) -> dict[str, str]:
        """The bearer secrets of the workers, for the queen alone."""
        return {worker.id: worker.key for worker in self.by_id.values()}

    def loaded(self) -> set[str]:
        """The models that workers hold or are about to."""
        return {
            worker.state.spec.model
            for worker in self.by_id.values()
            if worker.state.status not in {"stopped", "error"}
        }

    def find(self, *, worker_id: str | None = None, pid: int | None = None) -> WorkerDetails:
        """One worker by id, else by the pid of its engine or shim.

        Raises:
            WorkerNotFound: there is none.
        """
        if worker_id:
            return self._details(self.get(WorkerId(worker_id)))
        for worker in self.by_id.values():
            running = worker.running
            if running is not None and pid in {
                running.engine.pid,
                running.shim.pid if running.shim else None,
            }:
                return self._details(worker)
        raise WorkerNotFound(f"No worker of this hive has the pid {pid}.", param="$.pid")

    def get(self, worker_id: WorkerId) -> Worker:
        """The record of a worker.

        Raises:
            WorkerNotFound: there is none.
        """
        worker = self.by_id.get(worker_id)
        if worker is None:
            raise WorkerNotFound(f"There is no worker {worker_id!r} here.", param="$.worker_id")
        return worker

    async def settled(
        self, worker_id: WorkerId, report: Callable[[WorkerStats], None] | None = None
    ) -> WorkerStats:
        """Wait until it is ready; ``report`` is told of each change on the way.

        Raises:
            EngineError, CorruptModel, OutOfMemory: why it will not get ready.
            Conflict: somebody stopped it.
            WorkerNotFound: it is gone.
        """
        while True:
            seen = self.pulse.count
            worker = self.get(worker_id)
            stats = worker.stats(time.time())
            if report is not None:
                report(stats)
            if stats.status == "error":
                raise worker.failure or EngineError(stats.reason or "It failed.")
            if stats.status in lifecycle.LEAVING or stats.status == "stopped":
                raise Conflict(f"Worker {worker_id} was stopped before it was ready.")
            if stats.status in lifecycle.SETTLED:
                return stats
            await self.pulse.wait_after(seen)

    async def begun_after(self, worker_id: WorkerId, generation: int) -> None:
        """Wait until it has a later generation than this one: a restart has ended the old one.

        Raises:
            EngineError: its process cannot be ended.
            Conflict, WorkerNotFound: somebody stopped it instead.
        """
        while True:
            seen = self.pulse.count
            worker = self.get(worker_id)
            if worker.state.generation > generation:
                return
            if worker.state.status == "stopped":
                raise Conflict(f"Worker {worker_id} was stopped instead of restarted.")
            if worker.state.status == "error" and worker.running is not None:
                raise worker.failure or EngineError(f"Worker {worker_id} cannot be ended.")
            await self.pulse.wait_after(seen)

    async def gone(self, worker_id: WorkerId) -> None:
        """Wait until it is stopped.

        Raises:
            EngineError: its process cannot be ended.
        """
        while True:
            seen = self.pulse.count
            worker = self.by_id.get(worker_id)
            if worker is None or worker.state.status == "stopped":
                return
            if worker.state.status == "error" and worker.running is not None:
                raise worker.failure or EngineError(f"Worker {worker_id} cannot be ended.")
            await self.pulse.wait_after(seen)


def _no_gpus(_pid: int | None, _device_ids: tuple[str, ...]) -> GpuUse:
    return GpuUse()
