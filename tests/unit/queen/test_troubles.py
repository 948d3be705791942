"""Failures of spawns: where to try next, when to try again, and what is whose fault."""

import pytest

from rbee.errors import (
    CorruptModel,
    EngineError,
    GatedRepository,
    HiveUnreachable,
    NoCapacity,
    OutOfMemory,
    RbeeError,
)
from rbee.queen.scheduling.troubles import (
    BACKOFF_MAX_S,
    BACKOFF_S,
    FORGOTTEN_AFTER_S,
    PASSED_OVER_S,
    Troubles,
    is_hives_fault,
    spawn_error,
    too_soon,
)

CRASH = EngineError("it crashed")


def fail(troubles: Troubles, hive: str, now: float, error: RbeeError = CRASH) -> None:
    troubles.failed(["m"], hive, error, spawn_error("m", hive, error), now)


def test_the_pause_doubles_on_one_hive_and_ends() -> None:
    troubles = Troubles()
    now, pauses = 0.0, list[float]()
    for _ in range(7):
        fail(troubles, "a", now)
        failure = troubles.latest("m", now)
        assert failure is not None
        pauses.append(failure.again_at - now)
        now = failure.again_at
        assert troubles.avoid("m", now) == {}
    assert pauses[:4] == [BACKOFF_S, 20.0, 40.0, 80.0]
    assert max(pauses) == BACKOFF_MAX_S


def test_two_hives_that_fail_slowly_are_not_asked_in_turns_for_ever() -> None:
    troubles = Troubles()
    fail(troubles, "a", 60.0)
    fail(troubles, "b", 120.0)  # a's own pause was over at 70
    assert set(troubles.avoid("m", 125.0)) == {"a", "b"}
    assert troubles.avoid("m", 130.0) == {}


def test_success_begins_anew() -> None:
    troubles = Troubles()
    fail(troubles, "a", 0.0)
    troubles.succeeded(["m"], "a")
    assert troubles.latest("m", 1.0) is None
    assert troubles.passed_over(1.0) == frozenset()


def test_a_hive_whose_engines_fail_is_passed_over_for_a_while() -> None:
    troubles = Troubles()
    fail(troubles, "a", 0.0)
    assert troubles.passed_over(PASSED_OVER_S - 1) == {"a"}
    assert troubles.passed_over(PASSED_OVER_S) == frozenset()
    fail(troubles, "a", 40.0)
    assert troubles.passed_over(40.0 + 2 * PASSED_OVER_S - 1) == {"a"}


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (CRASH, True),
        (HiveUnreachable("silence"), True),
        (OutOfMemory("8 GiB"), False),
        (NoCapacity("no room"), False),
        (CorruptModel("cut short"), False),
        (GatedRepository("login"), False),
    ],
)
def test_a_model_that_does_not_fit_is_no_hives_fault(error: RbeeError, fault: bool) -> None:
    assert is_hives_fault(error) is fault
    troubles = Troubles()
    fail(troubles, "a", 0.0, error)
    assert ("a" in troubles.passed_over(1.0)) is fault


def test_what_is_long_over_is_forgotten() -> None:
    troubles = Troubles()
    fail(troubles, "a", 0.0)
    troubles.sweep(BACKOFF_S + FORGOTTEN_AFTER_S)
    fail(troubles, "a", 1000.0)
    failure = troubles.latest("m", 1000.0)
    assert failure is not None
    assert failure.count == 1


@pytest.mark.parametrize("error", [GatedRepository("login"), CorruptModel("cut short")])
def test_what_another_try_cannot_mend_keeps_its_class(error: RbeeError) -> None:
    assert spawn_error("m", "here", error) is error


@pytest.mark.parametrize("error", [EngineError("it said no"), HiveUnreachable("silence")])
def test_what_may_go_better_next_time_says_when_to_come_back(error: RbeeError) -> None:
    told = spawn_error("m", "here", error)
    assert isinstance(told, NoCapacity)
    assert told.retry_after_s == 10
    assert error.message in told.message
    assert told.remedy == error.remedy


def test_an_error_is_raised_anew_for_everyone() -> None:
    troubles = Troubles()
    error = GatedRepository("needs a login")
    fail(troubles, "a", 0.0, error)
    failure = troubles.latest("m", 1.0)
    assert failure is not None
    told = too_soon(failure, 1.0)
    assert isinstance(told, GatedRepository)
    assert told is not error
