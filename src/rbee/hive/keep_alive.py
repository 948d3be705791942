"""Stop idle workers when there is no queen who would.

The queen owns keep-alive. Only when she has not answered for a minute does the
hive apply it itself, to workers that nobody spawned by hand, and no sooner than a
keep-alive after she was last heard: what she wanted to keep is not taken from her
because she restarts. Pure; ``app`` asks now and then.
"""

from collections.abc import Sequence
from typing import Final

from rbee.contracts.ids import WorkerId
from rbee.contracts.workers import WorkerStats

QUEEN_GONE_S: Final = 60.0  # design.md: as long as her registry keeps a silent hive
ASK_EVERY_S: Final = 10.0  # against a keep-alive of minutes


def idle_too_long(
    workers: Sequence[WorkerStats],
    *,
    keep_alive_s: float,
    queen_silent_s: float | None,
) -> list[WorkerId]:
    """The workers to stop now; ``queen_silent_s`` null: she was never there.

    A worker whose idleness is unknown stays.
    """
    if queen_silent_s is not None and queen_silent_s <= max(QUEEN_GONE_S, keep_alive_s):
        return []
    return [
        WorkerId(stats.worker_id)
        for stats in workers
        if stats.status == "ready"
        and not stats.manual
        and stats.idle_s is not None
        and stats.idle_s > keep_alive_s
    ]
