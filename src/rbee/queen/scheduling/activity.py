"""Who is at work, who is idle and since when: the ground of eviction and keep-alive.

Pure bookkeeping with ``now`` given. A worker is at work when the queen has a request
with it, when its hive saw a busy slot, or when it is not ready. Between two looks its
request count and the hive's own ``idle_s`` tell of work that nobody saw. Where an
engine does not tell its slots, the queen's own count decides: nobody else has the key.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from rbee.contracts.workers import SERVING, WorkerStats

Running = Callable[[str], int]
"""How many requests the queen has with a worker now."""

FORGOTTEN: Final = 0.0


class _Seen(msgspec.Struct):
    """What was noted of one process."""

    generation: int
    serving_since: float | None = None
    worked_at: float = FORGOTTEN
    requests_total: int | None = None


class Activity:
    """When each worker was last at work. One owner calls ``look`` every round."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def look(self, workers: Iterable[WorkerStats], running: Running, now: float) -> None:
        """Take in the workers as they are; those that are gone are forgotten."""
        here: dict[str, _Seen] = {}
        for stats in workers:
            seen = self._seen.get(stats.worker_id)
            if seen is None or seen.generation != stats.generation:
                seen = _Seen(stats.generation, worked_at=now - (stats.idle_s or 0.0))
                seen.requests_total = stats.requests_total
            here[stats.worker_id] = seen
            if stats.status not in SERVING:
                seen.serving_since, seen.worked_at = None, now
                continue
            if seen.serving_since is None:
                seen.serving_since = now - min(stats.idle_s or 0.0, stats.uptime_s or 0.0)
            if self._worked(stats, seen, running):
                seen.worked_at = now
            seen.requests_total = stats.requests_total
        self._seen = here

    def _worked(self, stats: WorkerStats, seen: _Seen, running: Running) -> bool:
        return (
            running(stats.worker_id) > 0
            or bool(stats.slots_busy)
            or stats.requests_total != seen.requests_total
        )

    def idle_s(self, worker_id: str, now: float) -> float:
        """For how long it has done nothing, at least; 0 while it works or is not ready."""
        seen = self._seen.get(worker_id)
        if seen is None or seen.serving_since is None:
            return 0.0
        return max(0.0, now - seen.worked_at)

    def serving_s(self, worker_id: str, now: float) -> float:
        """For how long it has been ready; 0 when it is not."""
        seen = self._seen.get(worker_id)
        if seen is None or seen.serving_since is None:
            return 0.0
        return max(0.0, now - seen.serving_since)
