"""Keep-alive by the hive itself: only without a queen, only what nobody spawned by hand."""

from rbee.contracts.workers import WorkerStats, WorkerStatus
from rbee.hive.keep_alive import QUEEN_GONE_S, idle_too_long


def worker(
    name: str = "w",
    *,
    idle_s: float | None = 1_000.0,
    manual: bool = False,
    status: WorkerStatus = "ready",
) -> WorkerStats:
    return WorkerStats(
        worker_id=name,
        model="m",
        engine="e",
        status=status,
        port=1,
        device="CPU-0",
        idle_s=idle_s,
        manual=manual,
    )


def test_an_idle_worker_goes_after_its_time_without_a_queen() -> None:
    idle = [worker("long", idle_s=900.1), worker("short", idle_s=900.0)]
    assert idle_too_long(idle, keep_alive_s=900.0, queen_silent_s=None) == ["long"]


def test_unknown_and_work_are_no_idleness() -> None:
    kept = [worker(idle_s=None), worker(status="busy"), worker(status="draining")]
    assert idle_too_long(kept, keep_alive_s=1.0, queen_silent_s=None) == []


def test_the_queen_and_the_hand_keep_a_worker() -> None:
    assert idle_too_long([worker(manual=True)], keep_alive_s=1.0, queen_silent_s=None) == []
    assert idle_too_long([worker()], keep_alive_s=1.0, queen_silent_s=QUEEN_GONE_S) == []
    assert idle_too_long([worker()], keep_alive_s=1.0, queen_silent_s=QUEEN_GONE_S + 1) == ["w"]


def test_a_queen_that_restarts_finds_what_she_kept() -> None:
    assert idle_too_long([worker()], keep_alive_s=900.0, queen_silent_s=120.0) == []
    assert idle_too_long([worker()], keep_alive_s=900.0, queen_silent_s=901.0) == ["w"]
