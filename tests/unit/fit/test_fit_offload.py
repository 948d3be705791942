"""Layers on GPUs: one when one is enough, else shared out, the rest on the CPU."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.models import ModelFacts
from rbee.fit import (
    DeviceMemory,
    RunSettings,
    available_bytes,
    chosen_offload,
    judge_shares,
    plan_offload,
)
from rbee.fit.offload import GPU_CONTEXT_BYTES

MIB = 1024 * 1024
LAYERS = 32
FACTS = ModelFacts(
    architecture="llama",
    weights_bytes=(LAYERS * 100 + 200) * MIB,
    layer_bytes=(100 * MIB,) * LAYERS,
    output_bytes=200 * MIB,
    block_count=LAYERS,
    embedding_length=4096,
    feed_forward_length=14_336,
    vocab_size=128_256,
    head_count=32,
    head_count_kv=8,
)
SETTINGS = RunSettings(context_tokens=8_192)


def gpus(*free_mib: int | None) -> list[DeviceMemory]:
    return [
        DeviceMemory(id=f"GPU-{n}", free_bytes=None if free is None else free * MIB)
        for n, free in enumerate(free_mib)
    ]


def test_one_gpu_with_room_takes_everything() -> None:
    plan = plan_offload(FACTS, SETTINGS, gpus(6_000, 24_000))
    assert (plan.gpu_layers, plan.layers, plan.host_bytes) == (33, 33, 0)
    assert plan.tensor_split == (0, 33)
    assert plan.shares[0].needed_bytes == 0
    assert plan.reason == "33 of 33 layers: 33 on GPU-1"


def test_two_equal_gpus_share_equally() -> None:
    plan = plan_offload(FACTS, SETTINGS, gpus(4_000, 4_000))
    assert plan.gpu_layers == 33
    assert abs(plan.tensor_split[0] - plan.tensor_split[1]) <= 2


def test_what_has_no_room_stays_with_the_cpu() -> None:
    plan = plan_offload(FACTS, SETTINGS, gpus(2_000))
    assert plan.gpu_layers is not None
    assert 0 < plan.gpu_layers < 33
    assert plan.host_bytes == (33 - plan.gpu_layers) * (100 + 32) * MIB
    assert "stay with the CPU" in plan.reason


def test_no_room_or_no_gpu_is_the_cpu_alone() -> None:
    for found in (gpus(300), gpus(None), gpus()):
        plan = plan_offload(FACTS, SETTINGS, found)
        assert plan.gpu_layers == 0
        assert plan.host_bytes == (LAYERS * 132 + 200) * MIB


def test_an_incomplete_header_leaves_it_to_the_engine() -> None:
    for changed in ({"layer_bytes": ()}, {"head_count": None, "head_count_kv": None}):
        plan = plan_offload(msgspec.structs.replace(FACTS, **changed), SETTINGS, gpus(8_000))
        assert plan.gpu_layers is None
        assert plan.reason.startswith("unknown is")
    torn = msgspec.structs.replace(FACTS, layer_bytes=(1, 2))
    assert plan_offload(torn, SETTINGS, gpus(8_000)).gpu_layers is None


@given(
    st.lists(st.integers(0, 12_000), max_size=4),
    st.lists(st.integers(1, 400), min_size=1, max_size=40),
)
def test_no_gpu_is_ever_overfilled(free_mib: list[int], weights_mib: list[int]) -> None:
    facts = msgspec.structs.replace(
        FACTS, block_count=len(weights_mib), layer_bytes=tuple(w * MIB for w in weights_mib)
    )
    found = gpus(*free_mib)
    plan = plan_offload(facts, SETTINGS, found)
    assert sum(plan.tensor_split) == plan.gpu_layers
    for share, gpu in zip(plan.shares, found, strict=True):
        assert share.needed_bytes <= (available_bytes(gpu) or 0)
        assert share.layers == 0 or share.needed_bytes > GPU_CONTEXT_BYTES


def test_a_choice_is_reckoned_as_the_engine_cuts_it() -> None:
    plan = chosen_offload(FACTS, SETTINGS, gpus(9_000, 9_000), layers=10, split=(3, 1))
    assert [share.layers for share in plan.shares] == [8, 2]
    assert plan.host_bytes == (LAYERS + 1 - 10) * (100 + 32) * MIB
    whole = chosen_offload(FACTS, SETTINGS, gpus(9_000), layers=-1)
    assert (whole.gpu_layers, whole.host_bytes) == (LAYERS + 1, 0)
    assert chosen_offload(FACTS, SETTINGS, gpus(None, None), layers=4).tensor_split == (2, 2)


def test_shares_are_judged_one_by_one() -> None:
    plan = chosen_offload(FACTS, SETTINGS, gpus(9_000, 9_000), layers=-1, split=(1, 1))
    needed = plan.shares[0].needed_bytes // MIB
    assert judge_shares(plan.shares, gpus(9_000, 9_000))[0] == "yes"
    assert judge_shares(plan.shares, gpus(9_000, needed))[0] == "unknown"
    fits, words = judge_shares(plan.shares, gpus(9_000, 1_000))
    assert fits == "no"
    assert "needed on GPU-1, 872 MiB may be used" in words
    assert judge_shares(plan.shares, gpus(9_000, None))[0] == "unknown"


def test_named_gpus_are_all_used() -> None:
    plan = plan_offload(FACTS, SETTINGS, gpus(24_000, 24_000), spread=True)
    assert all(share.layers for share in plan.shares)
    assert plan.gpu_layers == LAYERS + 1
