"""Keep-alive by the hive itself: only without a queen, only what nobody spawned by hand."""

from rbee.contracts.workers import WorkerStats
from rbee.hive.keep_alive import QUEEN_GONE_S, KeepAlive


def worker(name: str = "w", *, busy: int | None = 0, manual: bool = False) -> WorkerStats:
    return WorkerStats(
        worker_id=name,
        model="m",
        engine="e",
        status="ready",
        port=1,
        device="CPU-0",
        slots_busy=busy,
        manual=manual,
    )


def test_an_idle_worker_goes_after_its_time_without_a_queen() -> None:
    keep = KeepAlive(900.0)
    assert keep.idle([worker()], None, 0.0) == []
    assert keep.idle([worker()], None, 900.0) == []
    assert keep.idle([worker()], None, 901.0) == ["w"]


def test_work_begins_the_time_anew_and_unknown_is_no_idleness() -> None:
    keep = KeepAlive(900.0)
    for now, busy in ((0.0, 0), (800.0, 1), (1600.0, None)):
        assert keep.idle([worker(busy=busy)], None, now) == []
    assert keep.idle([worker()], None, 2499.0) == []
    assert keep.idle([worker()], None, 2501.0) == ["w"]


def test_the_queen_and_the_hand_keep_a_worker() -> None:
    keep = KeepAlive(10.0)
    for now in (0.0, 100.0, 200.0):
        assert keep.idle([worker(manual=True)], None, now) == []
        assert keep.idle([worker("q")], now - QUEEN_GONE_S, now) == []
