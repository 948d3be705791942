"""When it will be one's turn: null until measured, right on average once it was."""

import random
from statistics import fmean

import pytest

from rbee.queen.scheduling.eta import (
    RETRY_DEFAULT_S,
    ServiceTimes,
    load_eta_s,
    retry_after_s,
    turn_eta_s,
)


def test_what_was_not_measured_is_null() -> None:
    times = ServiceTimes()
    assert times.mean_s("m") is None
    assert times.cost("m", "a") == 1.0
    assert turn_eta_s(3, 2, None) is None
    assert turn_eta_s(3, 0, 1.0) is None
    assert load_eta_s(1, 4, None, load_s=None, loading_for_s=0.0) is None


def test_the_mean_follows_what_is_measured() -> None:
    times = ServiceTimes()
    for _ in range(5):
        times.note("m", "a", 2.0)
    assert times.mean_s("m") == pytest.approx(2.0)
    for _ in range(100):
        times.note("m", "a", 6.0)
    assert times.mean_s("m") == pytest.approx(6.0, rel=0.01)


def test_one_long_answer_does_not_count_for_twenty() -> None:
    times = ServiceTimes()
    for seconds in (60.0, 1.0, 1.0, 1.0, 1.0):
        times.note("m", "a", seconds)
    assert times.mean_s("m") == pytest.approx(64 / 5)


def test_a_key_with_longer_answers_costs_more_within_bounds() -> None:
    times = ServiceTimes()
    for _ in range(200):
        times.note("m", "long", 3.0)
        times.note("m", "short", 1.0)
    assert times.cost("m", "long") == pytest.approx(1.5, rel=0.1)
    assert times.cost("m", "short") == pytest.approx(0.5, rel=0.1)
    assert times.cost("m", "stranger") == 1.0
    times.note("m", "once", 900.0)
    assert times.cost("m", "once") == 1.0
    times.note("m", "once", 9000.0)
    times.note("m", "once", 9000.0)
    assert times.cost("m", "once") <= 10.0


def test_few_keys_are_remembered() -> None:
    times = ServiceTimes()
    for number in range(10_000):
        for _ in range(3):
            times.note("m", f"key-{number}", 2.0 if number % 2 else 1.0)
    assert times.cost("m", "key-1") == 1.0  # long forgotten
    assert times.cost("m", "key-9999") > 1.1


def test_a_loading_model_is_as_far_as_it_was_before() -> None:
    assert load_eta_s(1, 4, None, load_s=30.0, loading_for_s=10.0) == 20.0
    assert load_eta_s(4, 4, None, load_s=30.0, loading_for_s=10.0) == 20.0
    assert load_eta_s(6, 4, 2.0, load_s=30.0, loading_for_s=10.0) == 21.0
    assert load_eta_s(6, 4, None, load_s=30.0, loading_for_s=10.0) is None
    assert load_eta_s(1, 4, 2.0, load_s=30.0, loading_for_s=31.0) is None


@pytest.mark.parametrize(
    ("waiting", "slots", "mean_s", "seconds"),
    [(256, 4, 1.0, 32), (2, 4, 1.0, 1), (256, 1, 60.0, 120), (9, 4, None, RETRY_DEFAULT_S)],
)
def test_a_full_queue_says_when_half_of_it_will_be_gone(
    waiting: int, slots: int, mean_s: float | None, seconds: int
) -> None:
    assert retry_after_s(waiting, slots, mean_s) == seconds


@pytest.mark.parametrize("slots", [1, 4])
def test_what_was_told_is_what_was_waited(slots: int) -> None:
    rng = random.Random(7)  # noqa: S311  a made-up load, nothing secret
    ratios: list[float] = []
    for _ in range(200):
        ends = sorted(rng.expovariate(1.0) for _ in range(slots))  # answers already under way
        waited: list[float] = []
        for _ in range(20):
            now = ends.pop(0)
            waited.append(now)
            ends = sorted([*ends, now + rng.expovariate(1.0)])
        told = turn_eta_s(20, slots, 1.0)
        assert told is not None
        ratios.append(waited[-1] / told)
    assert fmean(ratios) == pytest.approx(1.0, abs=0.1)
