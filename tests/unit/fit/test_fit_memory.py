"""The estimate against sizes that llama.cpp itself logged, and what makes it unknown.

The expected sizes are copied from the engine's log (xllamacpp 2026.10.11549): of
the starter, and of synthetic models with the same header keys as the facts here.
"""

import msgspec
import pytest

from rbee.contracts.models import ModelFacts
from rbee.fit import Measured, RunSettings, estimate, prefer_measured, settings_key
from rbee.fit.cache import layer_caches

MIB = 1024 * 1024

STARTER = ModelFacts(
    architecture="llama",
    weights_bytes=int(92.1 * MIB),
    block_count=30,
    embedding_length=576,
    feed_forward_length=1536,
    vocab_size=49_152,
    head_count=9,
    head_count_kv=3,
)
SMALL = ModelFacts(
    architecture="llama",
    weights_bytes=MIB,
    block_count=4,
    embedding_length=256,
    feed_forward_length=1024,
    vocab_size=4_096,
    head_count=4,
    head_count_kv=2,
)


def like(facts: ModelFacts, architecture: str, **changed: object) -> ModelFacts:
    return msgspec.structs.replace(facts, architecture=architecture, **changed)


WINDOWED = like(SMALL, "gemma3", block_count=12, key_length=64, value_length=64, sliding_window=512)
EXPERTS = like(
    SMALL, "qwen3moe", embedding_length=512, head_count=8, key_length=128, value_length=128,
    expert_count=16, expert_used_count=4, expert_feed_forward_length=384,
)  # fmt: skip
LATENT = like(
    SMALL, "deepseek2", feed_forward_length=512, head_count_kv=1, key_length=160,
    value_length=128, key_length_mla=96, value_length_mla=64,
)  # fmt: skip
RECURRENT = like(
    SMALL, "mamba", feed_forward_length=0, head_count=0, head_count_kv=0, ssm_conv_kernel=4,
    ssm_inner_size=512, ssm_state_size=16,
)  # fmt: skip

WIDE = RunSettings(context_tokens=8_192, slots=4)
SPLIT = RunSettings(context_tokens=4_096, slots=2, ubatch_tokens=256, unified=False)


@pytest.mark.parametrize(
    ("facts", "settings", "kv_mib", "compute_mib"),
    [
        (STARTER, RunSettings(context_tokens=512), 11.25, 15.14 + 0.19),
        (STARTER, RunSettings(context_tokens=8_192), 180.0, 22.64 + 0.19),
        (STARTER, RunSettings(context_tokens=8_192, slots=16), 180.0, 22.64 + 3.0),
        (STARTER, RunSettings(context_tokens=8_192, ubatch_tokens=2_048), 180.0, 90.57 + 0.19),
        (STARTER, RunSettings(context_tokens=8_192, ubatch_tokens=128), 180.0, 5.66 + 0.19),
        (STARTER, RunSettings(context_tokens=8_192, slots=4, unified=False), 180.0, 16.64 + 0.75),
        (STARTER, RunSettings(context_tokens=1_000, slots=3, unified=False), 33.75, 15.17 + 0.56),
        (
            STARTER,
            RunSettings(context_tokens=8_192, slots=4, key_type="q8_0", value_type="q8_0"),
            95.62,
            22.67 + 0.75,
        ),
        (
            STARTER,
            RunSettings(context_tokens=2_048, ubatch_tokens=2_048, all_outputs=True),
            45.0,
            419.08 + 0.19,
        ),
        (EXPERTS, WIDE, 32.0, 22.02 + 0.06),
        (EXPERTS, SPLIT, 16.0, 8.01 + 0.03),
        (WINDOWED, WIDE, 8.0 + 12.5, 19.03 + 0.06),
        (WINDOWED, SPLIT, 4.0 + 7.5, 5.64 + 0.03),
        (LATENT, WIDE, 10.0, 13.51 + 0.06),
        (LATENT, SPLIT, 5.0, 3.76 + 0.03),
        (RECURRENT, WIDE, 0.59, 7.66 + 0.06),
        (RECURRENT, SPLIT, 0.30, 3.83 + 0.03),
    ],
)
def test_the_engine_logged_these_sizes(
    facts: ModelFacts, settings: RunSettings, kv_mib: float, compute_mib: float
) -> None:
    said = estimate(facts, settings)
    assert said.kv_bytes == pytest.approx(kv_mib * MIB, abs=0.01 * MIB)
    assert said.compute_bytes == pytest.approx(compute_mib * MIB, rel=0.03)


def test_the_total_is_the_sum_of_its_parts() -> None:
    said = estimate(STARTER, WIDE)
    assert said.weights_bytes is not None
    assert said.kv_bytes is not None
    assert said.compute_bytes is not None
    parts = said.weights_bytes + said.kv_bytes + said.compute_bytes + said.overhead_bytes
    assert said.total_bytes == parts
    assert said.high_bytes is not None
    assert said.weights_bytes < said.low_bytes < parts < said.high_bytes


def test_a_prompt_cache_is_counted() -> None:
    plain = estimate(STARTER, WIDE)
    kept = msgspec.structs.replace(WIDE, prompt_cache_bytes=256 * MIB)
    assert estimate(STARTER, kept).overhead_bytes == plain.overhead_bytes + 256 * MIB


@pytest.mark.parametrize(
    ("facts", "missing"),
    [
        (like(STARTER, "llama", block_count=None), "block_count"),
        (like(STARTER, "llama", block_count=1 << 40), "block_count"),
        (like(STARTER, "llama", head_count=None, head_count_kv=None), "attention.head_count"),
        (like(STARTER, "llama", embedding_length=None), "attention.key_length"),
        (like(STARTER, "llama", vocab_size=None), "vocab_size"),
        (like(STARTER, "llama", weights_bytes=None), "the size of all its parts"),
        (like(EXPERTS, "qwen3moe", expert_used_count=None), "feed_forward_length"),
        (like(RECURRENT, "mamba", ssm_state_size=None), "ssm.state_size"),
        (like(RECURRENT, "new", head_count=4), "which layers of new are recurrent"),
        (like(WINDOWED, "gemma4"), "attention.sliding_window_pattern"),
        (like(SMALL, "lfm2"), "shortconv.l_cache"),
        (like(SMALL, "t5"), "the two caches of t5"),
    ],
)
def test_a_missing_key_makes_it_unknown_and_is_named(facts: ModelFacts, missing: str) -> None:
    said = estimate(facts, WIDE)
    assert said.total_bytes is None
    assert said.high_bytes is None
    assert missing in " ".join(said.unknown)
    assert said.low_bytes > 0


def test_numbers_per_layer_decide() -> None:
    facts = like(SMALL, "deci", head_count_kv=8, head_count_kv_layers=(0, 1, 2, 8))
    caches = layer_caches(facts, RunSettings(context_tokens=256)).by_layer
    one = 256 * 64 * 2 * 2
    assert caches == (0, one, 2 * one, 8 * one)


def test_hybrids_keep_a_state_or_a_cache() -> None:
    state = {"ssm_conv_kernel": 4, "ssm_inner_size": 512, "ssm_state_size": 16}
    settings = RunSettings(context_tokens=256)
    by_interval = layer_caches(like(SMALL, "qwen3next", **state), settings).by_layer
    by_heads = layer_caches(
        like(SMALL, "jamba", head_count_kv_layers=(0, 0, 0, 2), **state), settings
    ).by_layer
    both = layer_caches(like(SMALL, "falcon-h1", **state), settings).by_layer
    kept, cached = (3 * 512 + 16 * 512) * 4, 256 * 128 * 2 * 2
    assert by_interval == (kept, kept, kept, cached)
    assert by_heads == by_interval
    assert both == (kept + cached,) * 4


def test_encoders_and_shared_layers_keep_nothing() -> None:
    settings = RunSettings(context_tokens=256)
    assert layer_caches(like(SMALL, "bert"), settings).by_layer == (0, 0, 0, 0)
    shared = layer_caches(like(SMALL, "llama", shared_kv_layers=3), settings).by_layer
    assert shared is not None
    assert shared[0] > 0
    assert shared[1:] == (0, 0, 0)


def test_a_window_that_the_engine_ignores_is_cached_in_full() -> None:
    full = estimate(SMALL, WIDE).kv_bytes
    assert estimate(like(SMALL, "llama", sliding_window=512), WIDE).kv_bytes == full
    swa_full = msgspec.structs.replace(WIDE, swa_full=True)
    assert estimate(like(SMALL, "gemma2", sliding_window=512), swa_full).kv_bytes == full


def test_without_flash_attention_the_scores_count() -> None:
    plain, without = WIDE, msgspec.structs.replace(WIDE, flash_attention=False)
    grown = (estimate(SMALL, without).compute_bytes or 0) - (
        estimate(SMALL, plain).compute_bytes or 0
    )
    assert grown == 512 * 8_192 * 4 * 4


def test_what_was_measured_wins() -> None:
    said = estimate(like(STARTER, "llama", block_count=None), WIDE)
    seen = prefer_measured(said, Measured(peak_bytes=347 * MIB))
    assert (seen.total_bytes, seen.source, seen.unknown) == (347 * MIB, "measured", ())
    assert seen.high_bytes is not None
    assert seen.low_bytes < 347 * MIB < seen.high_bytes
    assert prefer_measured(said, None) is said
    assert prefer_measured(said, Measured(peak_bytes=0)) is said


def test_settings_have_a_key() -> None:
    assert settings_key(WIDE) == "ctx=8192 slots=4 ubatch=512 kv=f16/f16"
    assert settings_key(SPLIT).endswith("split")
    changed = {settings_key(msgspec.structs.replace(WIDE, gpu_layers=n)) for n in (None, 0, 7)}
    assert len(changed) == 3
