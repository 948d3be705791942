"""Where a model goes, and why not elsewhere: placement is a pure function."""

import msgspec
import pytest

from rbee.contracts.hives import Capabilities, EngineInfo, GpuStats
from rbee.contracts.models import ModelFacts
from rbee.errors import CorruptModel, ModelNotFound, NoCapacity
from rbee.queen.placement_settings import ModelPlacement
from rbee.queen.scheduling.memory import MEMORY_ALWAYS_BYTES, Reserved, memory_needed_bytes
from rbee.queen.scheduling.options import Ask, Policy
from rbee.queen.scheduling.placement import Placement, Refusal, place
from rbee.testing.raw_worker import ready_worker
from unit.queen.views import (
    GIB,
    MIB,
    a_gpu,
    a_hive,
    a_model,
    a_worker,
    settings_of,
    with_devices,
)


def placed(result: Placement | Refusal) -> Placement:
    assert isinstance(result, Placement)
    return result


def refused(result: Placement | Refusal) -> Refusal:
    assert isinstance(result, Refusal)
    return result


def test_a_model_goes_where_its_file_is() -> None:
    hives = [a_hive("far", models=[a_model()], local=False), a_hive("here")]
    chosen = placed(place(Ask(model="m"), hives, Policy()))
    assert (chosen.hive_id, chosen.download) == ("far", False)
    assert "the model is on its disk" in chosen.why


def test_the_idlest_of_those_with_the_file_is_taken_and_this_machine_among_equals() -> None:
    busy = a_hive("a", models=[a_model()], local=True)
    worker = msgspec.structs.replace(ready_worker("w", 9001), slots_busy=2)
    busy = msgspec.structs.replace(busy, workers=[worker])
    idle = a_hive("b", models=[a_model()], local=False)
    assert placed(place(Ask(model="m"), [busy, idle], Policy())).hive_id == "b"
    equal = a_hive("z", models=[a_model()], local=True, cpu_pct=20.0)
    assert placed(place(Ask(model="m"), [idle, equal], Policy())).hive_id == "z"


def test_the_hive_that_was_wished_for_wins_when_it_can() -> None:
    hives = [a_hive("a", models=[a_model()]), a_hive("b", models=[a_model()], local=False)]
    assert placed(place(Ask(model="m", hive_id="b"), hives, Policy())).hive_id == "b"
    assert placed(place(Ask(model="m", hive_id="elsewhere"), hives, Policy())).hive_id == "a"


def test_the_estimate_is_a_fifth_more_than_the_file_and_a_fixed_part() -> None:
    assert memory_needed_bytes(GIB) == int(GIB * 1.2) + MEMORY_ALWAYS_BYTES


def test_too_little_memory_is_refused_with_numbers_and_who_uses_it() -> None:
    hive = a_hive(models=[a_model(size_bytes=8 * GIB)], free_mb=4000.0)
    hog = msgspec.structs.replace(ready_worker("w", 9001, model="hog"), rss_mb=9000.0)
    refusal = refused(
        place(Ask(model="m"), [msgspec.structs.replace(hive, workers=[hog])], Policy())
    )
    assert isinstance(refusal.error, NoCapacity)
    assert "4000 MiB free" in refusal.reasons["here"]
    assert "hog 9000 MiB" in refusal.reasons["here"]
    assert refusal.reasons["here"] in refusal.error.message
    assert "smaller context" in refusal.error.remedy


FACTS = ModelFacts(
    architecture="llama",
    weights_bytes=4 * GIB,
    block_count=32,
    embedding_length=4096,
    feed_forward_length=14_336,
    vocab_size=128_256,
    head_count=32,
    head_count_kv=8,
)


def test_the_headers_facts_are_preferred_to_the_files_size() -> None:
    model = a_model(size_bytes=GIB, facts=FACTS)
    chosen = placed(place(Ask(model="m"), [a_hive(models=[model], free_mb=8000.0)], Policy()))
    assert any("weights 4,096 MiB, cache 1,024 MiB" in why for why in chosen.why)
    refusal = refused(place(Ask(model="m"), [a_hive(models=[model], free_mb=4000.0)], Policy()))
    assert isinstance(refusal.error, NoCapacity)
    assert "too little memory: it does not fit" in refusal.reasons["here"]
    assert "a quantisation with at most" in refusal.reasons["here"]
    assert "smaller context" in refusal.error.remedy


def test_what_cannot_be_known_is_tried() -> None:
    unknown = msgspec.structs.replace(FACTS, head_count=None, head_count_kv=None)
    model = a_model(size_bytes=GIB, facts=unknown)
    chosen = placed(place(Ask(model="m"), [a_hive(models=[model], free_mb=8000.0)], Policy()))
    assert any("unknown is cache" in why for why in chosen.why)


def test_a_gpu_with_room_is_room() -> None:
    hive = a_hive(models=[a_model(size_bytes=8 * GIB)], free_mb=4000.0)
    hive.node.gpus = [GpuStats(id="GPU-0", vram_used_mb=1000.0, vram_total_mb=24_000.0)]
    assert placed(place(Ask(model="m"), [hive], Policy())).hive_id == "here"


@pytest.mark.parametrize(("size", "free_mb"), [(None, 100.0), (GIB, None)])
def test_unknown_is_allowed_and_said(size: int | None, free_mb: float | None) -> None:
    hive = a_hive(models=[a_model(size_bytes=size)], free_mb=free_mb)
    chosen = placed(place(Ask(model="m"), [hive], Policy()))
    assert any("unknown" in reason for reason in chosen.why)


@pytest.mark.parametrize("name", ["llama-3-8b", "meta-llama/Llama-3.2-1B", "some/repo:f.gguf"])
def test_a_model_that_nobody_has_is_fetched_by_this_machine(name: str) -> None:
    hives = [a_hive("far", local=False), a_hive("here")]
    chosen = placed(place(Ask(model=name), hives, Policy()))
    assert (chosen.hive_id, chosen.download) == ("here", True)
    refusal = refused(place(Ask(model=name), hives, Policy(auto_download=False)))
    assert isinstance(refusal.error, ModelNotFound)


def test_a_name_that_means_nothing_is_not_found() -> None:
    refusal = refused(place(Ask(model="nonsense"), [a_hive()], Policy()))
    assert isinstance(refusal.error, ModelNotFound)
    assert "no source is known" in refusal.reasons["here"]


def test_no_hive_at_all_says_how_to_start_one() -> None:
    refusal = refused(place(Ask(model="starter"), [], Policy()))
    assert isinstance(refusal.error, NoCapacity)
    assert "rbee up" in refusal.error.remedy


def test_a_silent_hive_gets_nothing_new_and_the_refusal_may_pass() -> None:
    refusal = refused(
        place(Ask(model="m"), [a_hive(models=[a_model()], state="degraded")], Policy())
    )
    assert refusal.transient
    assert not refused(
        place(Ask(model="m"), [a_hive(models=[a_model()], state="down")], Policy())
    ).transient


def test_a_hive_that_has_not_told_its_models_may_still_have_it() -> None:
    untold = msgspec.structs.replace(a_hive("new"), told_models=False)
    refusal = refused(place(Ask(model="m"), [untold], Policy()))
    assert refusal.transient
    assert refusal.reasons == {"new": "it has not told its models yet"}


def test_a_stopping_hive_and_one_without_engine_are_no_candidates() -> None:
    stopping = a_hive("s", models=[a_model()])
    assert stopping.info is not None
    stopping.info.operational_status = "stopping"
    bare = msgspec.structs.replace(
        a_hive("b", models=[a_model()]),
        capabilities=Capabilities(
            devices=[],
            cpu_cores=1,
            total_ram_gb=1.0,
            engines=[EngineInfo(name="xllamacpp", usable=False, reason="no AVX2")],
        ),
    )
    refusal = refused(place(Ask(model="m"), [stopping, bare], Policy()))
    assert refusal.reasons["s"] == "it is stopping"
    assert "no AVX2" in refusal.reasons["b"]


def test_a_damaged_file_says_so() -> None:
    hive = a_hive(models=[a_model(status="corrupt", reason="cut short")])
    refusal = refused(place(Ask(model="m"), [hive], Policy()))
    assert isinstance(refusal.error, CorruptModel)
    assert "cut short" in refusal.error.message


# ── measured loads, devices, pins and labels ─────────────────────────────────


def test_among_equals_the_one_that_loads_fastest_by_its_own_history_is_taken() -> None:
    slow = a_hive("a", models=[a_model(load_s=30.0)])
    fast = a_hive("b", models=[a_model(load_s=3.0)], local=False, cpu_pct=60.0)
    chosen = placed(place(Ask(model="m"), [slow, fast], Policy()))
    assert chosen.hive_id == "b"
    assert "loads in about 3.0 s by its own loads" in chosen.why
    assert chosen.others["a"] == "it could too, and is ranked lower"


def test_loads_that_hardly_differ_leave_it_to_the_idlest() -> None:
    a = a_hive("a", models=[a_model(load_s=3.0)], cpu_pct=90.0)
    b = a_hive("b", models=[a_model(load_s=3.3)])
    assert placed(place(Ask(model="m"), [a, b], Policy())).hive_id == "b"


def test_an_unknown_load_is_neither_praise_nor_blame() -> None:
    known = a_hive("a", models=[a_model(load_s=5.0)], cpu_pct=90.0)
    unknown = a_hive("b", models=[a_model()])
    assert placed(place(Ask(model="m"), [known, unknown], Policy())).hive_id == "b"


def test_where_nothing_was_measured_other_loads_of_the_hive_tell_the_pace() -> None:
    other = a_model("other", size_bytes=2 * GIB, load_s=4.0)
    chosen = placed(place(Ask(model="m"), [a_hive(models=[a_model(), other])], Policy()))
    assert chosen.load is not None
    assert (chosen.load.source, round(chosen.load.load_s, 1)) == ("estimated", 2.0)


def test_each_device_is_judged_by_its_own_memory_and_named_where_there_is_a_choice() -> None:
    two = with_devices({"GPU-0": "cuda", "GPU-1": "cuda", "CPU-0": "cpu"}, ["cuda"])
    hive = a_hive(
        models=[a_model(size_bytes=8 * GIB)],
        capabilities=two,
        gpus=[a_gpu("GPU-0", 4000.0), a_gpu("GPU-1", 20_000.0)],
        free_mb=1000.0,
    )
    chosen = placed(place(Ask(model="m"), [hive], Policy()))
    assert (chosen.device, chosen.room_on) == ("GPU-1", "GPU-1")


def test_an_engine_for_both_leaves_the_roomy_cpu_beside_a_gpu_alone() -> None:
    both = with_devices({"GPU-0": "cuda", "CPU-0": "cpu"}, ["cpu", "cuda"])
    hive = a_hive(
        models=[a_model(size_bytes=8 * GIB)],
        capabilities=both,
        gpus=[a_gpu("GPU-0", 20_000.0)],
        free_mb=60_000.0,
    )
    chosen = placed(place(Ask(model="m"), [hive], Policy()))
    assert (chosen.device, chosen.room_on) == (None, "GPU-0")


def test_a_gpu_that_holds_a_part_comes_before_an_idle_cpu_and_after_one_that_holds_all() -> None:
    gpus = with_devices({"GPU-0": "cuda", "CPU-0": "cpu"}, ["cuda"])
    server = a_hive("a-server", models=[a_model(size_bytes=8 * GIB)], free_mb=60_000.0)
    gaming = a_hive(
        "gaming",
        models=[a_model(size_bytes=8 * GIB)],
        capabilities=gpus,
        gpus=[a_gpu("GPU-0", 6000.0)],
        free_mb=12_000.0,
        cpu_pct=60.0,
        local=False,
    )
    roomy = msgspec.structs.replace(
        a_hive("roomy", models=[a_model(size_bytes=8 * GIB)], capabilities=gpus, local=False),
        node=msgspec.structs.replace(gaming.node, gpus=[a_gpu("GPU-0", 20_000.0)], cpu_pct=90.0),
    )
    assert placed(place(Ask(model="m"), [server, gaming], Policy())).hive_id == "gaming"
    assert placed(place(Ask(model="m"), [server, gaming, roomy], Policy())).hive_id == "roomy"


def test_memory_of_devices_that_no_engine_uses_is_no_room() -> None:
    cpu_only = with_devices({"GPU-0": "cuda", "CPU-0": "cpu"}, ["cpu"])
    hive = a_hive(
        models=[a_model(size_bytes=8 * GIB)],
        capabilities=cpu_only,
        gpus=[a_gpu("GPU-0", 20_000.0)],
        free_mb=4000.0,
    )
    assert "4000 MiB free" in refused(place(Ask(model="m"), [hive], Policy())).reasons["here"]


def test_a_model_larger_than_the_gpu_spills_only_where_nothing_holds_it_whole() -> None:
    one = with_devices({"GPU-0": "cuda", "CPU-0": "cpu"}, ["cuda"])
    small = a_hive(
        "small",
        models=[a_model(size_bytes=8 * GIB)],
        capabilities=one,
        gpus=[a_gpu("GPU-0", 6000.0)],
        free_mb=12_000.0,
    )
    chosen = placed(place(Ask(model="m"), [small], Policy()))
    assert any("machine's memory" in note for note in chosen.why)
    large = msgspec.structs.replace(
        a_hive("large", models=[a_model(size_bytes=8 * GIB)], capabilities=one, local=False),
        node=msgspec.structs.replace(small.node, gpus=[a_gpu("GPU-0", 20_000.0)]),
    )
    assert placed(place(Ask(model="m"), [small, large], Policy())).hive_id == "large"


def test_a_worker_that_starts_has_its_memory_already() -> None:
    starting = a_worker("big", status="starting", rss_mb=10.0)
    hive = a_hive(
        models=[a_model(size_bytes=4 * GIB), a_model("big", size_bytes=4 * GIB)],
        workers=[starting],
    )
    assert "too little memory" in refused(place(Ask(model="m"), [hive], Policy())).reasons["here"]


def test_weights_of_mapped_files_look_free_and_are_not() -> None:
    loaded = a_worker("big", rss_mb=8000.0)
    hive = a_hive(
        models=[a_model(size_bytes=4 * GIB), a_model("big", size_bytes=8 * GIB)],
        workers=[loaded],
        free_mb=15_000.0,
    )
    assert isinstance(place(Ask(model="m"), [hive], Policy()), Placement)
    both = [loaded, msgspec.structs.replace(loaded, worker_id="another")]
    hive = msgspec.structs.replace(hive, workers=both)
    refusal = refused(place(Ask(model="m"), [hive], Policy()))
    assert "too little memory" in refusal.reasons["here"]


def test_promised_memory_is_not_promised_twice() -> None:
    hive = a_hive(models=[a_model(size_bytes=4 * GIB)])
    kept = Reserved(hive_id="here", device="CPU-0", size_bytes=5000 * MIB)
    assert isinstance(place(Ask(model="m"), [hive], Policy()), Placement)
    assert isinstance(place(Ask(model="m", reserved=[kept]), [hive], Policy()), Refusal)
    elsewhere = msgspec.structs.replace(kept, hive_id="there")
    assert isinstance(place(Ask(model="m", reserved=[elsewhere]), [hive], Policy()), Placement)


def test_what_was_measured_is_preferred_to_the_estimate() -> None:
    measured = a_model(size_bytes=4 * GIB, facts=FACTS, memory_bytes=9 * GIB)
    refusal = refused(place(Ask(model="m"), [a_hive(models=[measured])], Policy()))
    assert "(measured)" in refusal.reasons["here"]
    smaller_run = a_model(size_bytes=4 * GIB, facts=FACTS, memory_bytes=GIB)
    chosen = placed(place(Ask(model="m"), [a_hive(models=[smaller_run])], Policy()))
    assert not any("(measured)" in note for note in chosen.why)


def test_settings_keep_a_model_to_hives_and_labels() -> None:
    a = a_hive("a", models=[a_model()], labels=["fast"])
    b = a_hive("b", models=[a_model()], local=False)
    to_b = Policy(settings=settings_of(m=ModelPlacement(hives=("b",))))
    assert placed(place(Ask(model="m"), [a, b], to_b)).hive_id == "b"
    fast = Policy(settings=settings_of(m=ModelPlacement(labels=("fast",))))
    chosen = placed(place(Ask(model="m"), [a, b], fast))
    assert chosen.hive_id == "a"
    assert chosen.others["b"] == "it has not the label fast"
    asked = place(Ask(model="m", labels=frozenset({"red"})), [a, b], Policy())
    assert "label red" in refused(asked).reasons["a"]


def test_a_hive_whose_spawns_fail_is_passed_over_while_another_can() -> None:
    a, b = a_hive("a", models=[a_model()]), a_hive("b", models=[a_model()], local=False)
    ask = Ask(model="m", passed_over=frozenset({"a"}))
    assert placed(place(ask, [a, b], Policy())).hive_id == "b"
    alone = placed(place(ask, [a], Policy()))
    assert alone.hive_id == "a"
    assert any("last spawns failed" in note for note in alone.why)


def test_a_hive_that_just_failed_with_this_model_is_not_asked_again() -> None:
    a, b = a_hive("a", models=[a_model()]), a_hive("b", models=[a_model()], local=False)
    ask = Ask(model="m", avoid={"a": "it crashed"})
    chosen = placed(place(ask, [a, b], Policy()))
    assert chosen.hive_id == "b"
    assert "it crashed" in chosen.others["a"]
    assert isinstance(place(ask, [a], Policy()), Refusal)
