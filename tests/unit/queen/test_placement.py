"""Where a model goes, and why not elsewhere: placement is a pure function."""

from collections.abc import Sequence

import msgspec
import pytest

from rbee.contracts.hives import Capabilities, EngineInfo, GpuStats, HiveInfo, NodeStats
from rbee.contracts.ids import HiveId
from rbee.contracts.models import Model, ModelFacts
from rbee.errors import CorruptModel, ModelNotFound, NoCapacity
from rbee.queen.registry.hives import HiveView
from rbee.queen.registry.liveness import HiveState
from rbee.queen.scheduling.placement import (
    MEMORY_ALWAYS_BYTES,
    Placement,
    Policy,
    Refusal,
    memory_needed_bytes,
    place,
)
from rbee.testing.raw_worker import ready_worker

GIB = 1024**3


def a_hive(
    name: str = "here",
    *,
    models: Sequence[Model] = (),
    free_mb: float | None = 8000.0,
    state: HiveState = "fresh",
    local: bool = True,
    cpu_pct: float | None = 0.0,
) -> HiveView:
    node = NodeStats(cpu_pct=cpu_pct)
    if free_mb is not None:
        node.ram_total_mb, node.ram_used_mb = 16_000.0, 16_000.0 - free_mb
    return HiveView(
        id=HiveId(name),
        url=f"http://{name}:7835",
        state=state,
        local=local,
        beat_age_s=0.1,
        info=HiveInfo(id=name, hostname=name, address="127.0.0.1", port=7835, version="0"),
        node=node,
        capabilities=None,
        told_models=True,
        models=list(models),
        workers=[],
    )


def a_model(name: str = "m", size_bytes: int | None = GIB, **facts: object) -> Model:
    return msgspec.structs.replace(Model(id=name, name=name, size_bytes=size_bytes), **facts)


def placed(result: Placement | Refusal) -> Placement:
    assert isinstance(result, Placement)
    return result


def refused(result: Placement | Refusal) -> Refusal:
    assert isinstance(result, Refusal)
    return result


def test_a_model_goes_where_its_file_is() -> None:
    hives = [a_hive("far", models=[a_model()], local=False), a_hive("here")]
    chosen = placed(place("m", hives, Policy()))
    assert (chosen.hive_id, chosen.download) == ("far", False)
    assert "the model is on its disk" in chosen.why


def test_the_idlest_of_those_with_the_file_is_taken_and_this_machine_among_equals() -> None:
    busy = a_hive("a", models=[a_model()], local=True)
    worker = msgspec.structs.replace(ready_worker("w", 9001), slots_busy=2)
    busy = msgspec.structs.replace(busy, workers=[worker])
    idle = a_hive("b", models=[a_model()], local=False)
    assert placed(place("m", [busy, idle], Policy())).hive_id == "b"
    equal = a_hive("z", models=[a_model()], local=True, cpu_pct=20.0)
    assert placed(place("m", [idle, equal], Policy())).hive_id == "z"


def test_the_hive_that_was_wished_for_wins_when_it_can() -> None:
    hives = [a_hive("a", models=[a_model()]), a_hive("b", models=[a_model()], local=False)]
    assert placed(place("m", hives, Policy(), hive_id="b")).hive_id == "b"
    assert placed(place("m", hives, Policy(), hive_id="elsewhere")).hive_id == "a"


def test_the_estimate_is_a_fifth_more_than_the_file_and_a_fixed_part() -> None:
    assert memory_needed_bytes(GIB) == int(GIB * 1.2) + MEMORY_ALWAYS_BYTES


def test_too_little_memory_is_refused_with_numbers_and_who_uses_it() -> None:
    hive = a_hive(models=[a_model(size_bytes=8 * GIB)], free_mb=4000.0)
    hog = msgspec.structs.replace(ready_worker("w", 9001, model="hog"), rss_mb=9000.0)
    refusal = refused(place("m", [msgspec.structs.replace(hive, workers=[hog])], Policy()))
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
    chosen = placed(place("m", [a_hive(models=[model], free_mb=8000.0)], Policy()))
    assert any("weights 4,096 MiB, cache 1,024 MiB" in why for why in chosen.why)
    refusal = refused(place("m", [a_hive(models=[model], free_mb=4000.0)], Policy()))
    assert isinstance(refusal.error, NoCapacity)
    assert "too little memory: it does not fit" in refusal.reasons["here"]
    assert "a quantisation with at most" in refusal.reasons["here"]
    assert "smaller context" in refusal.error.remedy


def test_what_cannot_be_known_is_tried() -> None:
    unknown = msgspec.structs.replace(FACTS, head_count=None, head_count_kv=None)
    model = a_model(size_bytes=GIB, facts=unknown)
    chosen = placed(place("m", [a_hive(models=[model], free_mb=8000.0)], Policy()))
    assert any("unknown is cache" in why for why in chosen.why)


def test_a_gpu_with_room_is_room() -> None:
    hive = a_hive(models=[a_model(size_bytes=8 * GIB)], free_mb=4000.0)
    hive.node.gpus = [GpuStats(id="GPU-0", vram_used_mb=1000.0, vram_total_mb=24_000.0)]
    assert placed(place("m", [hive], Policy())).hive_id == "here"


@pytest.mark.parametrize(("size", "free_mb"), [(None, 100.0), (GIB, None)])
def test_unknown_is_allowed_and_said(size: int | None, free_mb: float | None) -> None:
    hive = a_hive(models=[a_model(size_bytes=size)], free_mb=free_mb)
    chosen = placed(place("m", [hive], Policy()))
    assert any("unknown" in reason for reason in chosen.why)


@pytest.mark.parametrize("name", ["llama-3-8b", "meta-llama/Llama-3.2-1B", "some/repo:f.gguf"])
def test_a_model_that_nobody_has_is_fetched_by_this_machine(name: str) -> None:
    hives = [a_hive("far", local=False), a_hive("here")]
    chosen = placed(place(name, hives, Policy()))
    assert (chosen.hive_id, chosen.download) == ("here", True)
    refusal = refused(place(name, hives, Policy(auto_download=False)))
    assert isinstance(refusal.error, ModelNotFound)


def test_a_name_that_means_nothing_is_not_found() -> None:
    refusal = refused(place("nonsense", [a_hive()], Policy()))
    assert isinstance(refusal.error, ModelNotFound)
    assert "no source is known" in refusal.reasons["here"]


def test_no_hive_at_all_says_how_to_start_one() -> None:
    refusal = refused(place("starter", [], Policy()))
    assert isinstance(refusal.error, NoCapacity)
    assert "rbee up" in refusal.error.remedy


def test_a_silent_hive_gets_nothing_new_and_the_refusal_may_pass() -> None:
    refusal = refused(place("m", [a_hive(models=[a_model()], state="degraded")], Policy()))
    assert refusal.transient
    assert not refused(place("m", [a_hive(models=[a_model()], state="down")], Policy())).transient


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
    refusal = refused(place("m", [stopping, bare], Policy()))
    assert refusal.reasons["s"] == "it is stopping"
    assert "no AVX2" in refusal.reasons["b"]


def test_a_damaged_file_says_so() -> None:
    hive = a_hive(models=[a_model(status="corrupt", reason="cut short")])
    refusal = refused(place("m", [hive], Policy()))
    assert isinstance(refusal.error, CorruptModel)
    assert "cut short" in refusal.error.message
