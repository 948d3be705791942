"""Which worker takes a request: a pure function of the workers and their load.

The order of design.md, as one sort key: free slots first (a worker without one
is no candidate), then the share of its slots in use, then the engine's own
queue, GPU utilisation, this machine before others, and round-robin among equals.
The load is what this queen itself has sent and not seen end: it is exact at
every instant, where a heartbeat is up to a second old.
"""

from collections.abc import Mapping, Sequence

import msgspec

from rbee.contracts.workers import Task
from rbee.queen.registry.workers import RoutableWorker

SLOTS_WHEN_UNKNOWN = 1  # an engine that does not tell gets one request at a time


class Choice(msgspec.Struct, frozen=True):
    """The worker and why it was taken."""

    worker: RoutableWorker
    why: str


def slots_of(worker: RoutableWorker) -> int:
    """How many requests a worker takes at once."""
    return worker.slots_total or SLOTS_WHEN_UNKNOWN


def choose(
    workers: Sequence[RoutableWorker],
    running: Mapping[str, int],
    *,
    turn: int = 0,
    task: Task = "generate",
    hive_id: str | None = None,
    worker_id: str | None = None,
) -> Choice | None:
    """The best worker for ``task`` with a free slot, or None when there is none.

    ``workers`` serve the model already; ``running`` counts this queen's requests
    per worker id; ``turn`` rotates among equals. A preferred hive is a wish
    (another one serves when it has no free slot), a named worker is an order.
    """
    free = [
        worker
        for worker in workers
        if worker.task == task
        and running.get(worker.worker_id, 0) < slots_of(worker)
        and (worker_id is None or worker.worker_id == worker_id)
    ]
    if not free:
        return None
    ranked = sorted(free, key=lambda worker: _rank(worker, running, hive_id))
    best = _rank(ranked[0], running, hive_id)
    equals = [worker for worker in ranked if _rank(worker, running, hive_id) == best]
    chosen = equals[turn % len(equals)]
    return Choice(chosen, _why(chosen, running, candidates=len(workers), equals=len(equals)))


def _rank(
    worker: RoutableWorker, running: Mapping[str, int], hive_id: str | None
) -> tuple[bool, float, int, float, bool]:
    return (
        hive_id is not None and worker.hive_id != hive_id,
        running.get(worker.worker_id, 0) / slots_of(worker),
        worker.queued or 0,
        worker.gpu_util_pct or 0.0,
        not worker.local,
    )


def _why(
    worker: RoutableWorker, running: Mapping[str, int], *, candidates: int, equals: int
) -> str:
    busy = running.get(worker.worker_id, 0)
    text = f"{busy} of {slots_of(worker)} slots in use, least of {candidates}"
    return f"{text}, round-robin among {equals} equals" if equals > 1 else text
