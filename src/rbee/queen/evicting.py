"""Workers that go by the queen's decision: drained at once here, then stopped on their hive.

``reconciler`` decides. From the decision on, in the same turn of the loop, routing
sends such a worker nothing more; its hive lets it end what it is at. A hive that cannot
be told keeps its worker, which then serves again.
"""

from collections.abc import Iterable
from typing import Final

import anyio

from rbee.contracts.jobs import WorkerProcessDelete
from rbee.errors import RbeeError, WorkerNotFound
from rbee.foundation import logs
from rbee.queen.hooks import Hooks
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony

GONE_WITHIN_S: Final = 5.0  # a hive tells an end at once; after so long the next spawn finds out

_log = logs.get(__name__)


class Evicting:
    """Stops workers. Its calls may run side by side."""

    def __init__(self, colony: Colony, lines: HiveLines, hooks: Hooks) -> None:
        self._colony = colony
        self._lines = lines
        self._hooks = hooks
        self._changed = anyio.Event()
        colony.subscribe(self._woken)

    def mark(self, worker_ids: Iterable[str]) -> None:
        """From now on they get nothing new. Call it in the turn of the loop that decided."""
        for worker_id in worker_ids:
            self._colony.drain(worker_id)

    async def stop(
        self,
        hive_url: str,
        worker_id: str,
        model: str,
        reason: str,
        *,
        hive_id: str | None = None,
    ) -> None:
        """Have its hive drain and stop a worker that was marked; returns when it is gone.

        Raises:
            RbeeError: the hive cannot be told or could not do it; the worker serves again.
        """
        operation = WorkerProcessDelete(worker_id=worker_id, epoch=self._lines.epoch)
        _log.info("stopping", worker_id=worker_id, model=model, reason=reason)
        try:
            await self._lines.to(hive_url, hive_id).jobs.collect(operation)
        except WorkerNotFound:
            pass  # gone already: what was wanted
        except RbeeError:
            self._colony.drain(worker_id, leaving=False)
            raise
        self._hooks.on_evict(model, reason)
        with anyio.move_on_after(GONE_WITHIN_S):
            while self._is_there(worker_id):
                await self._changed.wait()

    async def stop_all(
        self,
        hive_url: str,
        workers: Iterable[tuple[str, str]],
        reason: str,
        *,
        hive_id: str | None = None,
    ) -> None:
        """``stop`` for each (worker id, model), side by side.

        Raises:
            RbeeError: one of them could not be stopped; the others were tried.
        """
        failed: list[RbeeError] = []

        async def one(worker_id: str, model: str) -> None:
            try:
                await self.stop(hive_url, worker_id, model, reason, hive_id=hive_id)
            except RbeeError as error:
                failed.append(error)

        async with anyio.create_task_group() as tasks:
            for worker_id, model in workers:
                tasks.start_soon(one, worker_id, model)
        if failed:
            raise failed[0]

    def _is_there(self, worker_id: str) -> bool:
        return any(entry.stats.worker_id == worker_id for _, entry in self._colony.workers())

    def _woken(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
