"""Stop idle workers when there is no queen who would.

The queen owns keep-alive. Only when she has not answered for a minute does the
hive apply it itself, to workers that nobody spawned by hand. ``idle`` is pure;
``app`` asks it now and then.
"""

from collections.abc import Sequence
from typing import Final

from rbee.contracts.ids import WorkerId
from rbee.contracts.workers import WorkerStats

QUEEN_GONE_S: Final = 60.0  # design.md: as long as her registry keeps a silent hive
ASK_EVERY_S: Final = 10.0  # against a keep-alive of minutes


class KeepAlive:
    """Remembers when each worker was last seen at work. ``now`` is monotonic seconds."""

    def __init__(self, keep_alive_s: float) -> None:
        self._keep_alive_s = keep_alive_s
        self._worked_at: dict[str, float] = {}

    def idle(
        self, workers: Sequence[WorkerStats], queen_seen_at: float | None, now: float
    ) -> list[WorkerId]:
        """The workers to stop now: idle for too long, not manual, and no queen about."""
        here = {stats.worker_id for stats in workers}
        self._worked_at = {name: at for name, at in self._worked_at.items() if name in here}
        queen_gone = queen_seen_at is None or now - queen_seen_at > QUEEN_GONE_S
        over: list[WorkerId] = []
        for stats in workers:
            # Unknown slots are no sign of idleness.
            if stats.slots_busy != 0 or stats.status != "ready" or not queen_gone:
                self._worked_at[stats.worker_id] = now
                continue
            since = self._worked_at.setdefault(stats.worker_id, now)
            if not stats.manual and now - since > self._keep_alive_s:
                over.append(WorkerId(stats.worker_id))
        return over
