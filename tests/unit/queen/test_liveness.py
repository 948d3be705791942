"""The liveness table, row by row, and the guard against a mass loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.ids import HiveId
from rbee.queen.registry.liveness import (
    FROZEN_MAX_S,
    LAG_MAX_S,
    hive_state,
    is_mass_loss,
    may_route,
    may_spawn,
    to_forget,
)


@pytest.mark.parametrize(
    ("age_s", "state"),
    [
        (0.0, "fresh"),
        (3.0, "fresh"),
        (3.01, "degraded"),
        (10.0, "degraded"),
        (10.01, "down"),
        (60.0, "down"),
        (60.01, "gone"),
    ],
)
def test_a_hives_state_follows_the_age_of_its_last_beat(age_s: float, state: str) -> None:
    assert hive_state(age_s) == state


def test_only_a_fresh_hive_gets_new_workers() -> None:
    assert [may_spawn(state) for state in ("fresh", "degraded", "down", "gone")] == [
        True,
        False,
        False,
        False,
    ]


def test_a_silent_hives_workers_are_used_while_they_answer_themselves() -> None:
    assert may_route("degraded", 0.5)
    assert may_route("down", 2.9)
    assert not may_route("degraded", None)
    assert not may_route("degraded", 3.1)
    assert not may_route("gone", 0.0)


def test_one_hive_of_one_is_an_ordinary_loss_and_most_of_many_is_not() -> None:
    assert not is_mass_loss(1, 1)
    assert not is_mass_loss(4, 2)
    assert is_mass_loss(4, 3)
    assert is_mass_loss(2, 2)


def test_a_mass_loss_forgets_nobody_until_it_has_lasted() -> None:
    ages = {HiveId(name): 61.0 for name in "abc"}
    assert to_forget(ages, lag_s=0.0) == set()
    ages[HiveId("a")] = FROZEN_MAX_S + 1
    assert to_forget(ages, lag_s=0.0) == {"a"}


def test_a_queen_that_did_not_run_herself_judges_nobody() -> None:
    ages = {HiveId("a"): 61.0, HiveId("b"): 0.0, HiveId("c"): 0.0}
    assert to_forget(ages, lag_s=LAG_MAX_S + 0.1) == set()
    assert to_forget(ages, lag_s=0.0) == {"a"}


@given(st.dictionaries(st.text(min_size=1).map(HiveId), st.floats(0, 60), max_size=8))
def test_nobody_within_a_minute_is_ever_forgotten(ages: dict[HiveId, float]) -> None:
    assert to_forget(ages, lag_s=0.0) == set()
