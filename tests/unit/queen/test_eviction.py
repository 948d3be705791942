"""Who gives way: a pure choice over the whole colony, and never one who is at work."""

from collections.abc import Mapping, Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.workers import WorkerStats
from rbee.queen.placement_settings import ModelPlacement, PlacementSettings
from rbee.queen.registry.hives import HiveView
from rbee.queen.scheduling.eviction import (
    Eviction,
    MayDisplace,
    Standing,
    Victim,
    could_ever,
    find_eviction,
)
from rbee.queen.scheduling.memory import claim_bytes
from rbee.queen.scheduling.options import Ask, Policy, find_options
from unit.queen.views import GIB, a_hive, a_model, a_worker, settings_of

IDLE = Standing(in_use=False, idle_s=100.0, serving_s=200.0, load_s=10.0, spare=1)
BUSY = msgspec.structs.replace(IDLE, in_use=True, idle_s=0.0)


def full_hive(
    name: str = "here", *workers: WorkerStats, local: bool = True, size_gib: int = 4
) -> HiveView:
    """16,000 MiB, of which each worker of 4 GiB files takes 5,171."""
    names = {worker.model for worker in workers}
    models = [a_model(one, size_bytes=size_gib * GIB) for one in sorted(names)]
    return a_hive(
        name,
        models=[a_model("new", size_bytes=4 * GIB), *models],
        workers=workers,
        free_mb=16_000.0,
        local=local,
    )


def evicted(
    hives: Sequence[HiveView],
    standings: Mapping[str, Standing] | None = None,
    settings: PlacementSettings | None = None,
    *,
    may_displace: MayDisplace = lambda _model: False,
    idle_at_least_s: float = 0.0,
    force: bool = False,
) -> Eviction | None:
    known = standings or {}
    options = find_options(Ask(model="new"), hives, Policy())
    return find_eviction(
        options,
        lambda _hive, worker: known.get(worker.worker_id, IDLE),
        settings or PlacementSettings(),
        may_displace=may_displace,
        idle_at_least_s=idle_at_least_s,
        force=force,
    )


def names(found: Eviction | None) -> set[str]:
    assert found is not None
    return {one.worker_id for one in found.victims}


A, B, C = (a_worker(model, model, rss_mb=100.0) for model in "abc")


def test_the_longest_idle_for_what_its_load_costs_goes_first() -> None:
    hive = full_hive("here", A, B, C)
    standings = {
        "a": msgspec.structs.replace(IDLE, idle_s=100.0, load_s=50.0),
        "b": msgspec.structs.replace(IDLE, idle_s=60.0, load_s=10.0),
        "c": msgspec.structs.replace(IDLE, idle_s=30.0, load_s=10.0),
    }
    assert names(evicted([hive], standings)) == {"b"}


def test_one_at_work_is_never_chosen() -> None:
    hive = full_hive("here", A, B, C)
    assert names(evicted([hive], {"a": BUSY, "b": BUSY})) == {"c"}
    assert evicted([hive], {"a": BUSY, "b": BUSY, "c": BUSY}) is None


def test_one_whose_turn_is_over_goes_only_where_nobody_is_idle() -> None:
    hive = full_hive("here", A, B, C)
    busy = {"a": BUSY, "b": BUSY, "c": BUSY}

    def only_b(model: str) -> bool:
        return model == "b"

    found = evicted([hive], busy, may_displace=only_b)
    assert names(found) == {"b"}
    assert found is not None
    assert found.victims[0].in_use
    assert names(evicted([hive], {"a": BUSY, "b": BUSY}, may_displace=only_b)) == {"c"}


def test_a_persons_worker_goes_only_by_force_or_by_the_settings() -> None:
    mine = msgspec.structs.replace(A, manual=True)
    hive = full_hive("here", mine, *(msgspec.structs.replace(one, manual=True) for one in (B, C)))
    assert evicted([hive]) is None
    assert evicted([hive], force=True) is not None
    assert evicted([hive], settings=PlacementSettings(evict_manual=True)) is not None


def test_the_young_and_those_who_worked_a_moment_ago_stay() -> None:
    hive = full_hive("here", A, B, C)
    young = msgspec.structs.replace(IDLE, serving_s=1.0)
    recent = msgspec.structs.replace(IDLE, idle_s=0.2)
    assert names(evicted([hive], {"a": young, "b": recent})) == {"c"}


def test_pinned_models_and_kept_replicas_stay() -> None:
    hive = full_hive("here", A, B, C)
    kept = msgspec.structs.replace(IDLE, spare=0)
    settings = settings_of(a=ModelPlacement(pinned=True), b=ModelPlacement(replicas_min=1))
    assert names(evicted([hive], {"a": kept, "b": kept}, settings)) == {"c"}


def test_of_two_replicas_only_the_spare_one_may_go() -> None:
    first, second = (msgspec.structs.replace(A, worker_id=name) for name in ("a1", "a2"))
    hive = full_hive("here", first, second, C)
    found = evicted([hive], {"c": BUSY})
    assert found is not None
    assert len(found.victims) == 1


def test_the_smallest_set_that_makes_room_goes_and_never_one_too_many() -> None:
    small = [a_worker(f"s{i}", f"s{i}") for i in range(4)]
    hive = full_hive("here", *small, size_gib=2)  # 4 x 2,713 MiB: 5,148 free of 5,171 needed
    assert len(names(evicted([hive]))) == 1
    tight = msgspec.structs.replace(
        hive, node=msgspec.structs.replace(hive.node, ram_total_mb=12_000.0, ram_used_mb=0.0)
    )
    assert len(names(evicted([tight]))) == 2


def test_nothing_goes_where_it_would_not_be_enough() -> None:
    hive = full_hive("here", A)
    huge = msgspec.structs.replace(
        hive, models=[a_model("new", size_bytes=100 * GIB), *hive.models[1:]]
    )
    assert evicted([huge]) is None


def test_the_whole_colony_is_looked_at() -> None:
    here = full_hive("here", A, B, C)
    there = full_hive(
        "there",
        *(msgspec.structs.replace(one, worker_id=f"{one.worker_id}2") for one in (A, B, C)),
        local=False,
    )
    standings: dict[str, Standing] = dict.fromkeys(["a", "b", "c"], BUSY)
    found = evicted([here, there], standings)
    assert found is not None
    assert found.option.hive.id == "there"
    long_idle = {"b2": msgspec.structs.replace(IDLE, idle_s=5000.0)}
    assert names(evicted([here, there], long_idle)) == {"b2"}


def test_growth_evicts_only_what_was_idle_for_long() -> None:
    hive = full_hive("here", A, B, C)
    assert evicted([hive], idle_at_least_s=101.0) is None
    assert evicted([hive], idle_at_least_s=100.0) is not None


def test_whether_waiting_helps() -> None:
    def later(standing: Standing, worker: WorkerStats) -> bool:
        hive = full_hive("here", *(msgspec.structs.replace(worker, worker_id=n) for n in "xyz"))
        options = find_options(Ask(model="new"), [hive], Policy())
        return could_ever(options, lambda _hive, _worker: standing, PlacementSettings())

    assert later(BUSY, A)
    assert later(IDLE, msgspec.structs.replace(A, status="draining"))
    assert not later(BUSY, msgspec.structs.replace(A, manual=True))
    assert not later(msgspec.structs.replace(BUSY, spare=0), A)


_workers = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.booleans(),
        st.booleans(),
        st.floats(0, 1000),
        st.one_of(st.none(), st.floats(0.1, 100)),
    ),
    min_size=1,
    max_size=8,
)


@given(_workers)
def test_whoever_goes_was_idle_and_makes_enough_room_and_nobody_goes_in_vain(
    rows: list[tuple[int, bool, bool, float, float | None]],
) -> None:
    workers = [
        a_worker(f"m{index}", f"w{index}", manual=manual)
        for index, (_, manual, _, _, _) in enumerate(rows)
    ]
    standings = {
        f"w{index}": Standing(in_use=busy, idle_s=idle_s, serving_s=100.0, load_s=load_s, spare=1)
        for index, (_, _, busy, idle_s, load_s) in enumerate(rows)
    }
    models = [a_model(f"m{i}", size_bytes=row[0] * GIB) for i, row in enumerate(rows)]
    hive = a_hive(
        models=[a_model("new", size_bytes=10 * GIB), *models], workers=workers, free_mb=16_000.0
    )
    options = find_options(Ask(model="new"), [hive], Policy())
    found = evicted([hive], standings)
    if found is None:
        return
    (option,) = options
    assert option.fit is not None
    sizes = {worker.worker_id: claim_bytes(worker, hive) for worker in workers}
    freed = [sizes[one.worker_id] for one in found.victims]
    assert sum(freed) >= option.fit.short_bytes
    assert sum(freed) - min(freed) < option.fit.short_bytes
    for one in found.victims:
        assert not standings[one.worker_id].in_use
        assert not next(w for w in workers if w.worker_id == one.worker_id).manual


@given(st.floats(0, 1e6), st.one_of(st.none(), st.floats(0, 1e6)))
def test_a_score_is_a_number_whatever_was_measured(idle_s: float, load_s: float | None) -> None:
    victim = Victim(
        worker_id="w",
        hive_id="h",
        model="m",
        size_bytes=1,
        idle_s=idle_s,
        load_s=load_s,
        in_use=False,
    )
    assert victim.score >= 0
