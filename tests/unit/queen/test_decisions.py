"""What the reconciler decides: one spawn however many wait, errors kept, quiet kept."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.hives import HiveInfo, NodeStats
from rbee.contracts.ids import HiveId
from rbee.contracts.models import Model
from rbee.errors import (
    CorruptModel,
    EngineError,
    GatedRepository,
    HiveUnreachable,
    NoCapacity,
    RbeeError,
)
from rbee.queen.registry.hives import HiveView
from rbee.queen.registry.liveness import HiveState
from rbee.queen.scheduling.decisions import (
    Action,
    Failure,
    Refuse,
    Spawn,
    Supply,
    decide,
    is_quiet,
    source_key,
    spawn_error,
)
from rbee.queen.scheduling.demand import Wanted
from rbee.queen.scheduling.placement import Policy

NOTHING = Supply(serving=0, coming=0)


def a_hive(*models: str, state: HiveState = "fresh") -> HiveView:
    return HiveView(
        id=HiveId("here"),
        url="http://localhost:7835",
        state=state,
        local=True,
        beat_age_s=0.1,
        info=HiveInfo(id="here", hostname="here", address="127.0.0.1", port=7835, version="0"),
        node=NodeStats(),
        capabilities=None,
        told_models=True,
        models=[Model(id=name, name=name) for name in models],
        workers=[],
    )


def wants(model: str, *, waiting: int = 1, since: float = 99.0) -> Wanted:
    return Wanted(model=model, waiting=waiting, oldest_since=since, hive_id=None)


def decided(
    *wanted: Wanted,
    supply: Mapping[str, Supply] | None = None,
    spawning: AbstractSet[str] = frozenset(),
    failures: Mapping[str, Failure] | None = None,
    hives: Sequence[HiveView] | None = None,
    quiet: bool = False,
    now: float = 100.0,
) -> list[Action]:
    return decide(
        wanted,
        supply=lambda model: (supply or {}).get(model, NOTHING),
        spawning=spawning,
        failures=failures or {},
        hives=[a_hive("m", "n")] if hives is None else hives,
        policy=Policy(),
        quiet=quiet,
        now=now,
    )


@given(st.integers(1, 10_000))
def test_however_many_wait_one_worker_is_spawned(waiting: int) -> None:
    (action,) = decided(wants("m", waiting=waiting))
    assert isinstance(action, Spawn)
    assert (action.model, action.placement.hive_id) == ("m", "here")


def test_nothing_is_spawned_for_what_serves_comes_or_is_being_spawned() -> None:
    assert decided(wants("m"), supply={"m": Supply(1, 0)}) == []
    assert decided(wants("m"), supply={"m": Supply(0, 1)}) == []
    assert decided(wants("m"), spawning={"m"}) == []


def test_two_names_of_one_model_are_one_spawn() -> None:
    names = ("llama-3-8b", "llama3", "meta-llama/Meta-Llama-3-8B")
    assert len({source_key(name) for name in names}) == 1
    assert len(decided(*(wants(name) for name in names))) == 1
    assert decided(wants("llama3"), spawning={source_key("llama-3-8b")}) == []


def test_each_model_gets_its_own_spawn_the_longest_wait_first() -> None:
    actions = decided(wants("n", since=1.0), wants("m", since=2.0))
    assert [action.model for action in actions] == ["n", "m"]


def test_a_fresh_failure_is_told_instead_of_repeated() -> None:
    failure = Failure(NoCapacity("it crashed", retry_after_s=10), again_at=107.0)
    (action,) = decided(wants("m"), failures={"m": failure})
    assert isinstance(action, Refuse)
    assert isinstance(action.error, NoCapacity)
    assert action.error.retry_after_s == 7
    assert "it crashed" in action.error.message
    (later,) = decided(wants("m"), failures={"m": failure}, now=107.0)
    assert isinstance(later, Spawn)


def test_a_remembered_error_is_raised_anew_for_everyone() -> None:
    failure = Failure(GatedRepository("needs a login"), again_at=107.0)
    (action,) = decided(wants("m"), failures={"m": failure})
    assert isinstance(action, Refuse)
    assert isinstance(action.error, GatedRepository)
    assert action.error is not failure.error


def test_while_quiet_nothing_is_spawned_and_nobody_refused() -> None:
    assert decided(wants("m"), hives=[], quiet=True) == []


def test_a_silent_hive_is_waited_for_a_little() -> None:
    silent = [a_hive("m", state="degraded")]
    assert decided(wants("m", since=99.0), hives=silent) == []
    (action,) = decided(wants("m", since=90.0), hives=silent)
    assert isinstance(action, Refuse)


def test_without_any_hive_everyone_is_told_at_once() -> None:
    (action,) = decided(wants("m"), hives=[])
    assert isinstance(action, Refuse)
    assert "No hive has joined" in action.error.message


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


@pytest.mark.parametrize(
    ("now", "known", "beaten", "quiet"),
    [
        (0.1, set[str](), set[str](), True),
        (0.1, set[str](), {"a"}, False),
        (0.1, {"a", "b"}, {"a"}, True),
        (0.1, {"a", "b"}, {"a", "b", "c"}, False),
        (3.0, {"a"}, set[str](), False),
    ],
)
def test_the_quiet_ends_when_all_known_hives_have_beaten_or_after_three_seconds(
    now: float, known: set[str], beaten: set[str], quiet: bool
) -> None:
    found = is_quiet(now=now, started_at=0.0, quiet_s=3.0, known=known, beaten=beaten)
    assert found is quiet
