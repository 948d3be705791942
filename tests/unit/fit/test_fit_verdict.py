"""Verdicts: three answers, numbers in the reason, remedies that were judged to fit."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbee.contracts.models import ModelFacts
from rbee.fit import DeviceMemory, Measured, RunSettings, available_bytes, estimate, judge, told
from rbee.fit.verdict import HEADROOM_BYTES, largest_context

MIB = 1024 * 1024
GIB = 1024 * MIB

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
SETTINGS = RunSettings(context_tokens=32_768, slots=4)


def device(free_bytes: int | None, **more: int) -> DeviceMemory:
    return DeviceMemory(id="GPU-0", total_bytes=24 * GIB, free_bytes=free_bytes, **more)


def test_enough_room_is_yes() -> None:
    verdict = judge(FACTS, SETTINGS, device(20 * GIB))
    assert (verdict.fits, verdict.remedies) == ("yes", ())
    assert verdict.needed_bytes is not None
    assert 8 * GIB < verdict.needed_bytes < 10 * GIB
    assert "it fits: about" in verdict.reason
    assert "weights 4,096 MiB, cache 4,096 MiB" in verdict.reason


def test_too_little_is_no_with_ways_out() -> None:
    verdict = judge(FACTS, SETTINGS, device(7 * GIB))
    assert verdict.fits == "no"
    assert "7,040 MiB may be used on GPU-0 (7,168 MiB free)" in verdict.reason
    assert verdict.remedies[0].startswith("a context of")
    for remedy in verdict.remedies:
        assert remedy.endswith("fits")
    assert told(verdict.remedies).startswith("A context of ")


def test_between_is_unknown() -> None:
    total = estimate(FACTS, SETTINGS).total_bytes or 0
    verdict = judge(FACTS, SETTINGS, device(total + HEADROOM_BYTES))
    assert verdict.fits == "unknown"
    assert "may or may not fit" in verdict.reason
    sure = judge(
        FACTS, SETTINGS, device(total + HEADROOM_BYTES), measured=Measured(peak_bytes=total // 2)
    )
    assert (sure.fits, sure.needed_bytes) == ("yes", total // 2)
    assert "(measured)" in sure.reason


def test_an_unknown_part_can_still_be_a_no() -> None:
    facts = msgspec.structs.replace(FACTS, head_count=None, head_count_kv=None)
    assert judge(facts, SETTINGS, device(2 * GIB)).fits == "no"
    verdict = judge(facts, SETTINGS, device(20 * GIB))
    assert verdict.fits == "unknown"
    assert "unknown is cache: attention.head_count" in verdict.reason


def test_unknown_memory_is_unknown() -> None:
    verdict = judge(FACTS, SETTINGS, device(None))
    assert (verdict.fits, verdict.available_bytes) == ("unknown", None)
    assert "free memory of GPU-0 is unknown" in verdict.reason


def test_others_on_the_device_keep_what_they_will_need() -> None:
    alone = available_bytes(device(10 * GIB))
    loading = device(10 * GIB, expected_bytes=6 * GIB, held_bytes=1 * GIB)
    assert alone == 10 * GIB - HEADROOM_BYTES
    assert available_bytes(loading) == 5 * GIB - HEADROOM_BYTES
    assert "5,120 MiB promised" in judge(FACTS, SETTINGS, loading).reason
    loaded = device(10 * GIB, expected_bytes=6 * GIB, held_bytes=7 * GIB)
    assert available_bytes(loaded) == alone


@settings(max_examples=30)
@given(st.integers(0, 12 * GIB))
def test_the_largest_context_fits_and_the_next_does_not(room: int) -> None:
    found = largest_context(FACTS, SETTINGS, room)

    def fits(context: int) -> bool:
        tried = msgspec.structs.replace(SETTINGS, context_tokens=context)
        return (estimate(FACTS, tried).high_bytes or 0) <= room

    if found is not None:
        assert fits(found)
    following = (found or 0) + 256
    assert following > SETTINGS.context_tokens or not fits(following)


@settings(max_examples=30)
@given(st.integers(0, 16 * GIB), st.integers(0, 16 * GIB))
def test_more_room_never_makes_it_worse(one: int, other: int) -> None:
    order = ["no", "unknown", "yes"]
    less, more = sorted((one, other))
    verdicts = [judge(FACTS, SETTINGS, device(free)).fits for free in (less, more)]
    assert order.index(verdicts[0]) <= order.index(verdicts[1])


def test_no_remedies_no_words() -> None:
    assert told(()) == ""


def test_a_small_quantisation_is_named_when_only_weights_are_too_large() -> None:
    verdict = judge(FACTS, RunSettings(context_tokens=2_048), device(3 * GIB))
    assert any("quantisation with at most" in remedy for remedy in verdict.remedies)


@pytest.mark.parametrize("field", ["context_tokens", "slots", "ubatch_tokens"])
@settings(max_examples=30)
@given(low=st.integers(1, 4_096), more=st.integers(1, 4_096))
def test_asking_for_more_never_needs_less(field: str, low: int, more: int) -> None:
    small = msgspec.structs.replace(SETTINGS, **{field: low})
    large = msgspec.structs.replace(SETTINGS, **{field: low + more})
    assert (estimate(FACTS, small).total_bytes or 0) <= (estimate(FACTS, large).total_bytes or 0)
