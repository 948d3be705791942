"""The lifecycle table: no way through it that the essay does not describe."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.exits import WorkerExit
from rbee.contracts.workers import SERVING, WorkerStatus
from rbee.hive.workers.lifecycle import (
    BACKOFF_S,
    EARLY_S,
    HOPELESS,
    LEAVING,
    TABLE,
    Budget,
    Effect,
    Event,
    GiveUp,
    Restart,
    counted,
    is_early,
    judge,
    step,
)

STATUSES: tuple[WorkerStatus, ...] = get_args(WorkerStatus)
BUDGET = Budget()

events = st.sampled_from(list(Event))


@given(st.lists(events, max_size=60))
def test_every_walk_keeps_the_rules(walk: list[Event]) -> None:
    status: WorkerStatus = "stopped"
    wanted = False
    for event in walk:
        after = step(status, event)
        if event in {Event.SPAWN, Event.FOUND_LOADING, Event.FOUND_READY} and status == "stopped":
            wanted = True
        if after.status in SERVING and status not in SERVING:
            assert event in {Event.ANSWERED, Event.FOUND_READY}, "serving without an answer"
        if status in LEAVING:
            assert after.status not in SERVING | {"starting"}, "a stop was taken back"
        if Effect.LAUNCH in after.effects:
            assert after.status == "starting"
            assert wanted
        if after.status == "stopped" != status:
            assert Effect.RELEASE in after.effects
            wanted = False
        if after.status == "error" != status:
            assert Effect.KILL in after.effects
        status = after.status


@given(st.lists(events, max_size=60))
def test_a_stop_that_is_carried_out_always_ends_in_stopped(walk: list[Event]) -> None:
    status: WorkerStatus = "stopped"
    for event in walk:
        status = step(status, event).status
    for event in (Event.STOP, Event.DRAINED, Event.ENDED, Event.STOP):
        status = step(status, event).status
    assert status == "stopped"


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("event", list(Event))
def test_late_news_change_nothing(status: WorkerStatus, event: Event) -> None:
    if (status, event) not in TABLE:
        assert step(status, event).status == status
        assert step(status, event).effects == ()


def test_every_status_can_be_reached_and_left() -> None:
    reached = {row.status for row in TABLE.values()}
    left = {status for (status, _), row in TABLE.items() if row.status != status}
    assert reached == left == set(STATUSES)


def test_force_skips_the_drain_and_a_starting_worker_has_none() -> None:
    assert step("ready", Event.STOP).status == "draining"
    assert step("busy", Event.FORCE).status == "stopping"
    assert step("draining", Event.FORCE).status == "stopping"
    assert step("starting", Event.STOP).status == "stopping"


def test_the_budget_allows_three_restarts_in_a_minute() -> None:
    deaths: list[float] = []
    delays: list[float] = []
    for now in (0.0, 2.0, 5.0):
        deaths.append(now)
        verdict = judge(deaths, WorkerExit.CRASHED, now, BUDGET)
        assert isinstance(verdict, Restart)
        delays.append(verdict.delay_s)
    assert delays == list(BACKOFF_S)
    assert isinstance(judge([*deaths, 9.0], WorkerExit.CRASHED, 9.0, BUDGET), GiveUp)
    assert isinstance(judge([*deaths, 61.0], WorkerExit.CRASHED, 61.0, BUDGET), Restart)


@given(st.lists(st.floats(0, 1000), max_size=30), st.integers(0, 5))
def test_never_more_restarts_in_the_window_than_the_budget(at: list[float], most: int) -> None:
    budget = Budget(restarts_max=most)
    deaths: list[float] = []
    restarts: list[float] = []
    for now in sorted(at):
        deaths = [*counted(deaths, now, budget.window_s), now]
        if isinstance(judge(deaths, None, now, budget), GiveUp):
            break
        restarts.append(now)
        assert sum(1 for when in restarts if now - when < budget.window_s) <= most


@pytest.mark.parametrize("code", sorted(HOPELESS))
def test_what_cannot_get_better_is_not_tried_again(code: int) -> None:
    assert isinstance(judge([0.0], code, 0.0, BUDGET), GiveUp)


def test_a_death_after_long_service_is_restarted_at_once_and_not_counted() -> None:
    assert is_early(None, 100.0)
    assert is_early(100.0, 100.0 + EARLY_S - 1)
    assert not is_early(100.0, 100.0 + EARLY_S)
    assert judge([], None, 0.0, BUDGET) == Restart(0.0)
