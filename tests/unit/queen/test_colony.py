"""The registry: what beats make of it, what silence and dead connections take away."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.hives import Heartbeat, HiveReady
from rbee.contracts.models import Model
from rbee.errors import HiveNotFound, InvalidRequest
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.hives import MODELS_MAX, WORKERS_MAX
from rbee.testing.raw_worker import beat, ready_worker


def colony_with(*beats: Heartbeat, now: float = 100.0) -> Colony:
    colony = Colony(hostname="here")
    for one in beats:
        colony.beat(one, now)
    return colony


def on_another_machine(one: Heartbeat, address: str = "10.0.0.7") -> Heartbeat:
    one.hive_info.hostname = "there"
    one.hive_info.address = address
    return one


def test_a_ready_worker_of_a_beat_serves_its_model() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)]))
    (worker,) = colony.serving("m")
    assert (worker.worker_id, worker.hive_id, worker.key, worker.local) == (
        "w1",
        "hive",
        "secret",
        True,
    )
    assert "secret" not in repr(worker)


def test_a_starting_worker_is_coming_and_serves_nobody() -> None:
    starting = msgspec.structs.replace(ready_worker("w1", 9001), status="starting")
    colony = colony_with(beat([starting]))
    assert colony.serving("m") == []
    assert colony.coming("m", "generate") == 1
    assert colony.coming("m", "embeddings") == 0


def test_the_first_beat_is_asked_for_what_it_left_out() -> None:
    bare = beat([ready_worker("w1", 9001)])
    bare.models = bare.worker_keys = None
    colony = Colony()
    assert set(colony.beat(bare, 1.0).wanted) == {"capabilities", "models", "worker_keys"}
    assert colony.serving("m") == []  # a worker without its key cannot be asked anything


def test_what_a_beat_leaves_out_is_as_before() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)], names=["alias"]))
    bare = beat([ready_worker("w1", 9001)], at=2.0)
    bare.models = bare.worker_keys = None
    assert colony.beat(bare, 101.0).wanted == ["capabilities"]
    assert colony.resolve("alias") == "m"
    assert len(colony.serving("m")) == 1


def test_a_worker_that_a_beat_no_longer_names_is_gone() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)]))
    colony.beat(beat([], at=2.0), 101.0)
    assert colony.serving("m") == []
    assert not colony.is_serving("w1")


def test_three_missed_beats_end_routing_unless_the_worker_itself_answers() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)]))
    colony.sweep(102.5)
    assert [worker.worker_id for worker in colony.to_probe(102.5)] == ["w1"]
    assert len(colony.serving("m")) == 1
    colony.sweep(103.0)
    colony.sweep(103.5)
    assert colony.serving("m") == []
    colony.answered("w1", 104.0)
    assert len(colony.serving("m")) == 1
    colony.sweep(107.5)
    assert colony.serving("m") == []


def test_after_a_minute_a_silent_hive_leaves_and_its_return_is_a_new_start() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)]))
    for step in range(1, 130):
        colony.sweep(100.0 + step * 0.5)
    assert colony.hives() == []
    assert colony.resolve("m") is None
    colony.beat(beat([ready_worker("w1", 9001)], at=90.0), 170.0)
    assert len(colony.serving("m")) == 1


def test_a_dead_worker_stays_out_until_it_is_a_new_process() -> None:
    old = ready_worker("w1", 9001)
    colony = colony_with(beat([old]))
    colony.mark_dead("w1", old.generation)
    assert colony.serving("m") == []
    colony.beat(beat([old], at=2.0), 101.0)
    assert colony.serving("m") == []
    newer = msgspec.structs.replace(old, generation=2, pid=4711)
    colony.beat(beat([newer], at=3.0), 102.0)
    assert len(colony.serving("m")) == 1


def test_a_worker_that_died_just_now_is_coming_until_its_hive_has_had_time_to_tell() -> None:
    worker = ready_worker("w1", 9001)
    colony = colony_with(beat([worker]))
    colony.mark_dead("w1", worker.generation)
    assert colony.coming("m", "generate") == 1
    colony.beat(beat([worker], at=3.0), 102.9)
    assert colony.coming("m", "generate") == 1
    colony.beat(beat([worker], at=4.0), 103.1)
    assert colony.coming("m", "generate") == 0


def test_a_dead_worker_that_its_hive_gave_up_is_not_coming() -> None:
    worker = ready_worker("w1", 9001)
    colony = colony_with(beat([worker]))
    colony.mark_dead("w1", worker.generation)
    given_up = msgspec.structs.replace(worker, status="error", reason="it crashed")
    colony.beat(beat([given_up], at=2.0), 101.0)
    assert colony.coming("m", "generate") == 0


def test_the_death_of_an_older_process_is_not_held_against_a_newer_one() -> None:
    newer = msgspec.structs.replace(ready_worker("w1", 9001), generation=2)
    colony = colony_with(beat([newer]))
    colony.mark_dead("w1", 1)
    assert len(colony.serving("m")) == 1


def test_a_worker_that_its_hive_still_calls_ready_ten_seconds_later_lives() -> None:
    worker = ready_worker("w1", 9001)
    colony = colony_with(beat([worker]))
    colony.mark_dead("w1", 1)
    colony.beat(beat([worker], at=10.0), 109.0)
    assert colony.serving("m") == []
    colony.beat(beat([worker], at=11.0), 110.5)
    assert len(colony.serving("m")) == 1


def test_another_machines_loopback_is_not_routed_to() -> None:
    colony = colony_with(on_another_machine(beat([ready_worker("w1", 9001)])))
    assert colony.serving("m") == []
    reachable = msgspec.structs.replace(ready_worker("w1", 9001), address="10.0.0.7")
    colony.beat(on_another_machine(beat([reachable], at=2.0)), 101.0)
    assert [worker.local for worker in colony.serving("m")] == [False]


def test_a_beat_that_was_overtaken_changes_nothing() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)], at=50.0))
    ack = colony.beat(beat([], at=49.5), 100.1)
    assert "later beat" in ack.message
    assert len(colony.serving("m")) == 1


def test_a_clock_that_was_set_back_an_hour_does_not_silence_a_hive() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)], at=10_000.0))
    assert colony.beat(beat([], at=6_400.0), 101.0).message == ""
    assert colony.serving("m") == []


def test_a_second_machine_with_the_same_id_is_told_and_changes_nothing() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)]))
    ack = colony.beat(on_another_machine(beat([], at=2.0)), 101.0)
    assert "another hive with the id 'hive'" in ack.message
    assert len(colony.serving("m")) == 1
    # Once the first is silent, the id is free: it may simply have moved.
    assert colony.beat(on_another_machine(beat([], at=9.0)), 110.0).message == ""


def test_names_resolve_whatever_their_case_and_ids_win_over_aliases() -> None:
    one = beat([])
    one.models = [
        Model(id="Big-Model", name="big.gguf", aliases=["friend", "other"]),
        Model(id="other", name="other.gguf"),
        Model(id="bartowski/Llama-3.2-1B-Instruct-GGUF:f-Q4_K_M.gguf", name="f-Q4_K_M.gguf"),
    ]
    colony = colony_with(one)
    assert colony.resolve("big-model") == "Big-Model"
    assert colony.resolve("FRIEND") == "Big-Model"
    assert colony.resolve("other") == "other"
    assert colony.resolve("nobody") is None
    # Through the table of known names, and by the repository.
    repo = "bartowski/Llama-3.2-1B-Instruct-GGUF"
    for name in ("llama-3.2-1b", "meta-llama/Llama-3.2-1B", repo):
        assert colony.resolve(name) == f"{repo}:f-Q4_K_M.gguf"
    assert colony.resolve(f"{repo}:Q8_0") is None


def test_the_model_objects_tell_places_and_states() -> None:
    loading = msgspec.structs.replace(ready_worker("w2", 9002, model="n"), status="starting")
    one = beat([ready_worker("w1", 9001), loading], at=1_700_000_000.0)
    one.models = [*(one.models or []), Model(id="o", name="o", size_bytes=7)]
    rows = {row.id: row for row in colony_with(one).model_objects()}
    assert {key: row.rbee.state for key, row in rows.items()} == {
        "m": "ready",
        "n": "loading",
        "o": "available",
    }
    assert rows["o"].rbee.size_bytes == 7
    assert rows["m"].rbee.workers == ["w1"]
    assert rows["m"].created == 1_700_000_000


def test_localhost_names_the_hive_on_this_machine() -> None:
    colony = colony_with(beat([]), on_another_machine(beat([], hive_id="far")))
    assert colony.find_hive("localhost").id == "hive"
    assert colony.find_hive("far").id == "far"
    with pytest.raises(HiveNotFound, match="nowhere"):
        colony.find_hive("nowhere")


def test_a_hive_that_only_joined_is_listed_and_counts_for_nothing() -> None:
    colony = Colony()
    colony.ready(HiveReady(hive_id="h", hive_url="http://10.0.0.7:7835/"), 1.0)
    (hive,) = colony.hives()
    assert (hive.state, hive.beat_age_s, hive.url) == ("down", None, "http://10.0.0.7:7835")


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "http://user:pw@host:1", "http://a b", "http://h/?q", "x"]
)
def test_a_hive_url_must_be_an_address(url: str) -> None:
    with pytest.raises(InvalidRequest):
        Colony().ready(HiveReady(hive_id="h", hive_url=url), 1.0)


def _spoil_id(one: Heartbeat) -> None:
    one.hive_id = one.hive_info.id = " \n"


def _spoil_other_id(one: Heartbeat) -> None:
    one.hive_info.id = "someone"


def _spoil_workers(one: Heartbeat) -> None:
    one.workers = [ready_worker(f"w{n}", 9001) for n in range(WORKERS_MAX + 1)]


def _spoil_models(one: Heartbeat) -> None:
    one.models = [Model(id=str(n), name="x") for n in range(MODELS_MAX + 1)]


def _spoil_port(one: Heartbeat) -> None:
    one.workers = [ready_worker("w", 70_000)]


def _spoil_key(one: Heartbeat) -> None:
    one.worker_keys = {"w1": "line\r\nbreak"}


@pytest.mark.parametrize(
    "spoil",
    [_spoil_id, _spoil_other_id, _spoil_workers, _spoil_models, _spoil_port, _spoil_key],
)
def test_a_beat_out_of_bounds_is_refused_whole(spoil: Callable[[Heartbeat], None]) -> None:
    one = beat([ready_worker("w1", 9001)])
    spoil(one)
    colony = Colony()
    with pytest.raises(InvalidRequest):
        colony.beat(one, 1.0)
    assert colony.hives() == []


def test_listeners_hear_of_changes_and_not_of_mere_load() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)]))
    heard: list[int] = []
    colony.subscribe(lambda: heard.append(1))
    busier = msgspec.structs.replace(ready_worker("w1", 9001), slots_busy=1, cpu_pct=80.0)
    colony.beat(beat([busier], at=2.0), 101.0)
    assert heard == []
    assert colony.serving("m")[0].slots_busy == 1
    colony.beat(beat([], at=3.0), 102.0)
    assert heard == [1]


def test_ready_or_busy_is_a_mere_figure_and_draining_is_not() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)]))
    heard: list[int] = []
    colony.subscribe(lambda: heard.append(1))
    busy = msgspec.structs.replace(ready_worker("w1", 9001), status="busy")
    colony.beat(beat([busy], at=2.0), 101.0)
    assert heard == []
    draining = msgspec.structs.replace(busy, status="draining")
    colony.beat(beat([draining], at=3.0), 102.0)
    assert heard == [1]
    assert colony.serving("m") == []


def test_a_workers_id_belongs_to_the_hive_that_named_it_first() -> None:
    colony = colony_with(beat([ready_worker("w", 9001)], hive_id="first"))
    thief = on_another_machine(beat([ready_worker("w", 9009)], hive_id="second"))
    thief.workers[0].address = "10.0.0.7"
    colony.beat(thief, 100.0)
    assert [(one.hive_id, one.port) for one in colony.serving("m")] == [("first", 9001)]
    colony.beat(beat([], hive_id="first", at=2.0), 101.0)
    again = msgspec.structs.replace(thief, timestamp=2.0)
    colony.beat(again, 101.0)
    assert [(one.hive_id, one.port) for one in colony.serving("m")] == [("second", 9009)]


def test_a_worker_that_changes_its_model_moves() -> None:
    colony = colony_with(beat([ready_worker("w", 9001, model="m")]))
    colony.beat(beat([ready_worker("w", 9001, model="n")], at=2.0), 101.0)
    assert colony.serving("m") == []
    assert len(colony.serving("n")) == 1
    assert colony.resolve("n") == "n"


def test_a_pool_keeps_its_version_under_load_and_not_when_workers_change() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001), ready_worker("w2", 9002)]))
    pool = colony.pool("m")
    assert pool is not None
    version = pool.version
    busier = msgspec.structs.replace(ready_worker("w1", 9001), slots_busy=1)
    colony.beat(beat([busier, ready_worker("w2", 9002)], at=2.0), 101.0)
    assert colony.pool("m") is pool
    assert pool.version == version
    assert [worker.slots_busy for worker in pool.workers] == [1, None]
    larger = msgspec.structs.replace(busier, slots_total=32)
    colony.beat(beat([larger, ready_worker("w2", 9002)], at=3.0), 102.0)
    assert pool.version == version + 1


def test_snapshots_hold_no_keys() -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)]))
    seen = msgspec.json.encode([colony.hives(), colony.models(), colony.model_objects()])
    assert b"secret" not in seen


@given(st.text())
def test_resolve_takes_any_text(name: str) -> None:
    colony = colony_with(beat([ready_worker("w1", 9001)]))
    assert colony.resolve(name) in {None, "m"}


@pytest.mark.parametrize("worker_id", ["w\r\nx-evil: 1", "w\x00", "w\u00e9", ""])
def test_a_workers_name_that_no_header_can_carry_is_refused(worker_id: str) -> None:
    colony = Colony(hostname="here")
    with pytest.raises(InvalidRequest, match="out of bounds") as refused:
        colony.beat(beat([ready_worker(worker_id, 9001)]), 1.0, near=True)
    assert refused.value.param == "$.workers[0].worker_id"
    assert not colony.workers()
