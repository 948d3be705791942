"""Since when a worker does nothing: the queen's own count, the hive's word, and both together."""

import msgspec

from rbee.contracts.workers import WorkerStats
from rbee.queen.scheduling.activity import Activity
from unit.queen.views import a_worker


def looked(*rounds: tuple[float, WorkerStats, int]) -> Activity:
    """An activity that saw a worker at these times with so many requests of the queen's."""
    activity = Activity()
    for now, stats, running in rounds:
        activity.look([stats], lambda _worker_id, n=running: n, now)
    return activity


W = a_worker("m", "w")


def with_(**facts: object) -> WorkerStats:
    return msgspec.structs.replace(W, **facts)


def test_idle_counts_from_the_last_time_it_was_seen_at_work() -> None:
    assert looked((0.0, W, 0), (5.0, W, 0)).idle_s("w", 7.0) == 7.0
    assert looked((0.0, W, 0), (5.0, W, 1)).idle_s("w", 7.0) == 2.0
    assert looked((0.0, W, 0), (5.0, with_(slots_busy=1), 0)).idle_s("w", 7.0) == 2.0


def test_work_that_nobody_saw_shows_in_its_count() -> None:
    before, after = with_(requests_total=3), with_(requests_total=4)
    assert looked((0.0, before, 0), (5.0, after, 0)).idle_s("w", 6.0) == 1.0
    assert looked((0.0, before, 0), (5.0, before, 0)).idle_s("w", 6.0) == 6.0


def test_a_restarted_queen_believes_the_hive() -> None:
    assert looked((100.0, with_(idle_s=60.0, uptime_s=90.0), 0)).idle_s("w", 100.0) == 60.0
    young = looked((100.0, with_(idle_s=None, uptime_s=90.0), 0))
    assert young.idle_s("w", 100.0) == 0.0


def test_unknown_slots_leave_the_queens_own_count() -> None:
    mute = with_(slots_busy=None, slots_total=None)
    assert looked((0.0, mute, 1), (5.0, mute, 0)).idle_s("w", 9.0) == 9.0
    assert looked((0.0, mute, 1), (5.0, mute, 1)).idle_s("w", 9.0) == 4.0


def test_one_that_is_not_ready_or_was_restarted_begins_anew() -> None:
    activity = looked((0.0, W, 0), (5.0, with_(status="starting", generation=2), 0))
    assert activity.idle_s("w", 9.0) == 0.0
    assert activity.serving_s("w", 9.0) == 0.0
    activity.look([with_(generation=2)], lambda _worker_id: 0, 10.0)
    assert activity.serving_s("w", 13.0) == 3.0


def test_one_that_is_gone_is_forgotten() -> None:
    activity = looked((0.0, W, 0))
    activity.look([], lambda _worker_id: 0, 5.0)
    assert activity.idle_s("w", 50.0) == 0.0
