"""What the reconciler decides: one spawn however many wait, errors kept, quiet kept."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.models import Model
from rbee.contracts.workers import WorkerStats
from rbee.errors import GatedRepository, NoCapacity, RbeeError
from rbee.queen.placement_settings import ModelPlacement
from rbee.queen.registry.hives import HiveView
from rbee.queen.registry.liveness import HiveState
from rbee.queen.scheduling.decisions import (
    Action,
    MakeRoom,
    Refuse,
    Spawn,
    Supply,
    World,
    decide,
    doubt,
    is_quiet,
    source_key,
)
from rbee.queen.scheduling.demand import Wanted
from rbee.queen.scheduling.eviction import Standing
from rbee.queen.scheduling.options import Policy
from rbee.queen.scheduling.replicas import Retire
from rbee.queen.scheduling.troubles import Troubles
from unit.queen import views
from unit.queen.views import GIB, a_model, a_worker, settings_of

NOTHING = Supply(serving=0, coming=0)
IDLE = Standing(in_use=False, idle_s=30.0, serving_s=200.0, load_s=10.0, spare=1)
BUSY = msgspec.structs.replace(IDLE, in_use=True, idle_s=0.0)


def a_hive(*models: str, state: HiveState = "fresh") -> HiveView:
    rows = [Model(id=name, name=name) for name in models]
    return views.a_hive(models=rows, state=state)


def wants(model: str, *, waiting: int = 1, since: float = 99.0) -> Wanted:
    return Wanted(model=model, waiting=waiting, oldest_since=since, hive_id=None)


def decided(
    *wanted: Wanted,
    supply: Mapping[str, Supply] | None = None,
    spawning: AbstractSet[str] = frozenset(),
    troubles: Troubles | None = None,
    hives: Sequence[HiveView] | None = None,
    standings: Mapping[str, Standing] | None = None,
    policy: Policy | None = None,
    doubt: str | None = None,
    doubt_since: float | None = None,
    quiet: bool = False,
    now: float = 100.0,
) -> list[Action]:
    waiting = {row.model: row.oldest_since for row in wanted}

    def standing(_hive: HiveView, worker: WorkerStats) -> Standing:
        return (standings or {}).get(worker.worker_id, IDLE)

    world = World(
        hives=[a_hive("m", "n")] if hives is None else hives,
        policy=policy or Policy(),
        supply=lambda model: (supply or {}).get(model, NOTHING),
        spawning=spawning,
        troubles=troubles or Troubles(),
        standing=standing,
        oldest_waiting=waiting.get,
        now=now,
        doubt=doubt,
        doubt_since=doubt_since,
        quiet=quiet,
    )
    return decide(wanted, world)


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


def failed(model: str, error: RbeeError, hive_id: str = "here") -> Troubles:
    """Failed three seconds ago."""
    troubles = Troubles()
    troubles.failed([model], hive_id, error, error, 97.0)
    return troubles


def test_a_fresh_failure_is_told_instead_of_repeated() -> None:
    troubles = failed("m", NoCapacity("it crashed", retry_after_s=10))
    (action,) = decided(wants("m"), troubles=troubles)
    assert isinstance(action, Refuse)
    assert isinstance(action.error, NoCapacity)
    assert action.error.retry_after_s == 7
    assert "it crashed" in action.error.message
    (later,) = decided(wants("m"), troubles=troubles, now=107.0)
    assert isinstance(later, Spawn)


def test_a_remembered_error_is_raised_anew_for_everyone() -> None:
    error = GatedRepository("needs a login")
    (action,) = decided(wants("m"), troubles=failed("m", error))
    assert isinstance(action, Refuse)
    assert isinstance(action.error, GatedRepository)
    assert action.error is not error


def test_while_quiet_nothing_is_spawned_and_nobody_refused() -> None:
    assert decided(wants("m"), hives=[], quiet=True) == []


def test_a_silent_hive_is_waited_for_a_little() -> None:
    silent = [a_hive("m", state="degraded")]
    assert decided(wants("m", since=99.0), hives=silent) == []
    (action,) = decided(wants("m", since=90.0), hives=silent)
    assert isinstance(action, Refuse)


def test_after_a_shock_who_waited_long_already_waits_for_the_hives_too() -> None:
    silent = [a_hive("m", state="degraded"), a_hive("n", state="degraded")]
    late = "the queen herself was 4.0 s late"
    assert decided(wants("m", since=10.0), hives=silent, doubt=late, doubt_since=99.0) == []
    (action,) = decided(wants("m", since=10.0), hives=silent, doubt=late, doubt_since=90.0)
    assert isinstance(action, Refuse)


def test_without_any_hive_everyone_is_told_at_once() -> None:
    (action,) = decided(wants("m"), hives=[])
    assert isinstance(action, Refuse)
    assert "No hive has joined" in action.error.message


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


# ── room, turns, replicas ────────────────────────────────────────────────────


def full(*workers: WorkerStats, name: str = "here", local: bool = True) -> HiveView:
    """A hive that has the models m, n and o, and memory for one of them."""
    rows = [a_model(one, size_bytes=8 * GIB, load_s=10.0) for one in ("m", "n", "o")]
    return views.a_hive(name, models=rows, workers=workers, free_mb=16_000.0, local=local)


N = a_worker("n", "w")


def test_an_idle_worker_gives_way_and_the_new_one_is_promised_its_place() -> None:
    (action,) = decided(wants("m"), hives=[full(N)])
    assert isinstance(action, MakeRoom)
    assert [one.worker_id for one in action.victims] == ["w"]
    assert (action.placement.hive_id, action.placement.room_on) == ("here", "CPU-0")
    assert "n (idle 30 s) gives way" in action.placement.why


def test_one_room_is_made_once_however_many_models_want_it() -> None:
    actions = decided(wants("m", since=98.0), wants("o", since=99.0), hives=[full(N)])
    assert [type(action) for action in actions] == [MakeRoom]
    assert actions[0].model == "m"


def test_one_room_is_given_once_and_the_other_waits_for_its_turn() -> None:
    actions = decided(wants("m", since=98.0), wants("o", since=99.0), hives=[full()])
    assert [(type(action), action.model) for action in actions] == [(Spawn, "m")]


def test_who_finds_everything_in_use_waits_for_his_turn_and_is_not_refused() -> None:
    busy = {"w": BUSY}
    assert decided(wants("m"), hives=[full(N)], standings=busy) == []
    (turn,) = decided(wants("m", since=60.0), hives=[full(N)], standings=busy)
    assert isinstance(turn, MakeRoom)
    assert turn.victims[0].in_use


def test_who_can_never_have_room_is_refused_at_once() -> None:
    manual = msgspec.structs.replace(N, manual=True)
    (action,) = decided(wants("m"), hives=[full(manual)])
    assert isinstance(action, Refuse)
    assert "too little memory" in action.error.message


def test_in_doubt_nobody_is_stopped_and_everybody_waits() -> None:
    assert decided(wants("m"), hives=[full(N)], doubt="3 of 4 hives are silent") == []
    old = {"w": msgspec.structs.replace(IDLE, idle_s=5000.0)}
    assert decided(hives=[full(N)], standings=old, doubt="late") == []
    assert decided(hives=[full(N)], standings=old) == [Retire("w", "here", "n", "keep_alive")]


def test_a_failed_spawn_is_tried_on_another_hive_at_once() -> None:
    hives = [full(), full(name="there", local=False)]
    troubles = failed("m", NoCapacity("it crashed"))
    (action,) = decided(wants("m"), hives=hives, troubles=troubles)
    assert isinstance(action, Spawn)
    assert action.placement.hive_id == "there"
    troubles.failed(["m"], "there", NoCapacity("x"), NoCapacity("it crashed too"), 99.0)
    (refused,) = decided(wants("m"), hives=hives, troubles=troubles)
    assert isinstance(refused, Refuse)


SERVED = Supply(1, 0, slots=4, on=frozenset({("here", "CPU-0")}), service_s=10.0)


def test_a_queue_that_persists_gets_one_more_worker_on_another_device() -> None:
    hives = [full(a_worker("m", "w")), full(name="there", local=False)]
    row = wants("m", waiting=40, since=95.0)
    (action,) = decided(row, hives=hives, supply={"m": SERVED})
    assert isinstance(action, Spawn)
    assert action.placement.hive_id == "there"
    assert "40 wait for about 100 s, and a load takes 10 s" in action.placement.why
    assert decided(row, hives=hives[:1], supply={"m": SERVED}) == []
    fresh = wants("m", waiting=40, since=99.5)
    assert decided(fresh, hives=hives, supply={"m": SERVED}) == []
    short = msgspec.structs.replace(SERVED, service_s=0.1)
    assert decided(row, hives=hives, supply={"m": short}) == []
    coming = msgspec.structs.replace(SERVED, coming=1)
    assert decided(row, hives=hives, supply={"m": coming}) == []


def test_growth_takes_nothing_from_those_at_work_or_idle_for_a_moment() -> None:
    there = full(a_worker("n", "v"), name="there", local=False)
    hives = [full(a_worker("m", "w")), there]
    row = wants("m", waiting=40, since=60.0)
    for standing in (BUSY, IDLE):
        assert decided(row, hives=hives, supply={"m": SERVED}, standings={"v": standing}) == []
    idle = {"v": msgspec.structs.replace(IDLE, idle_s=61.0)}
    (action,) = decided(row, hives=hives, supply={"m": SERVED}, standings=idle)
    assert isinstance(action, MakeRoom)


def test_the_settings_can_want_workers_that_nobody_asks_for() -> None:
    policy = Policy(settings=settings_of(m=ModelPlacement(replicas_min=1)))
    (action,) = decided(hives=[full()], policy=policy)
    assert isinstance(action, Spawn)
    assert decided(hives=[full()], policy=policy, supply={"m": SERVED}) == []
    assert decided(hives=[full()], policy=policy, spawning={"m"}) == []
    crashed = failed("m", NoCapacity("it crashed"))
    assert decided(hives=[full()], policy=policy, troubles=crashed) == []


def test_most_hives_silent_or_a_late_queen_is_reason_to_doubt() -> None:
    fresh, silent = a_hive("m"), a_hive("m", state="degraded")
    assert doubt([fresh, fresh, silent], 0.0) is None
    assert "2 of 3 hives are silent" in str(doubt([fresh, silent, silent], 0.0))
    assert "3.0 s late" in str(doubt([fresh], 3.0))
    assert doubt([silent], 0.0) is None  # one of one is an ordinary loss
