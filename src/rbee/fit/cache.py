"""The memory of a context: keys and values, sliding windows, recurrent states.

The rules are those of llama.cpp (``llama-kv-cache.cpp``, ``-kv-cache-iswa.cpp``,
``llama-hparams.cpp``, ``llama-memory-recurrent.cpp``), read as facts about the
engine and checked against the sizes that it logs (tests and
``benchmarks/fit_error.py``). A layer's share:

========== =====================================================================
attention  cells * kv_heads * (key_length + value_length), in the cache's types
window     the same with cells = min(cells, window * slots + ubatch)
MLA        cells * key_length: the values are a view of the compressed keys
recurrent  slots * ((conv-1) * (inner + 2 * groups * state) + state * inner) * 4 B
encoder    nothing
========== =====================================================================

Cells are rounded up to 256. What a table here does not know is unknown, never 0.
"""

from typing import Final

import msgspec

from rbee.contracts.models import ModelFacts
from rbee.fit.settings import KV_BLOCKS, KvType, RunSettings

CELLS_STEP: Final = 256  # llama.cpp pads every cache to it
LAYERS_MAX: Final = 4_096  # a header that claims more is not computed with
STATE_ELEMENT_BYTES: Final = 4  # recurrent states are float32

ENCODERS: Final = frozenset(
    {"bert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert",
     "nomic-bert", "nomic-bert-moe"}
)  # fmt: skip
"""Read a text at once and keep nothing."""

WINDOW_PERIODS: Final[dict[str, int]] = {
    "afmoe": 4,
    "cohere2": 4,
    "exaone-moe": 4,
    "exaone4": 4,
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "llama4": 4,
    "olmo2": 4,
    "plamo3": 8,
    "smallthinker": 4,
}
"""Architecture → every n-th layer sees everything, the others a window."""

WINDOWED_BY_LAYER: Final = frozenset({"gemma4", "mimo2", "step35"})
"""Architectures whose header lists the windowed layers."""

FULL_LAYER_FIRST: Final = frozenset({"smallthinker"})  # the first of a period, not its last
WINDOW_DEFAULTS: Final[dict[str, int]] = {"llama4": 8_192}  # not in the header, in the engine
KV_LAYERS_FROM_START: Final[dict[str, int]] = {"gemma3n": 20}  # later layers reuse their caches

RECURRENT: Final = frozenset(
    {"arwkv7", "mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7"}
)  # every layer
RECURRENT_WITHOUT_HEADS: Final = frozenset(
    {"granitehybrid", "jamba", "lfm2", "lfm2moe", "nemotron_h", "nemotron_h_moe"}
)  # a layer with 0 kv heads is recurrent
RECURRENT_BY_INTERVAL: Final = frozenset({"qwen35", "qwen35moe", "qwen3next"})
RECURRENT_BESIDE: Final = frozenset({"falcon-h1"})  # every layer is both
INTERVAL_DEFAULT: Final = 4  # where the header names none
TOKEN_SHIFT_DEFAULT: Final = 2  # RWKV, where the header names none


class Part(msgspec.Struct, frozen=True):
    """A size in bytes, or null and the names of what is missing for it."""

    size_bytes: int | None
    missing: tuple[str, ...] = ()


class LayerCache(msgspec.Struct, frozen=True):
    """What each layer keeps, in bytes, in order."""

    by_layer: tuple[int, ...] | None
    missing: tuple[str, ...] = ()


def cells(settings: RunSettings) -> int:
    """Cached tokens over all streams, as the engine rounds them."""
    padded = _rounded(settings.context_tokens)
    if settings.unified or settings.slots <= 1:
        return padded
    return settings.slots * _rounded(padded // settings.slots)


def cells_of_a_stream(settings: RunSettings) -> int:
    """Cached tokens that one request can see."""
    return cells(settings) // (1 if settings.unified else max(1, settings.slots))


def masked_cells(facts: ModelFacts, settings: RunSettings) -> int:
    """Cells that the attention's masks cover for each token: of full layers, of windows."""
    if facts.architecture in RECURRENT:
        return 0
    if facts.architecture in ENCODERS:
        return settings.ubatch_tokens
    full = cells_of_a_stream(settings)
    streams = 1 if settings.unified else max(1, settings.slots)
    windowed = window_tokens(facts) is not None
    return full + (_window_cells(facts, settings) // streams if windowed else 0)


def cache_bytes(facts: ModelFacts, settings: RunSettings) -> Part:
    """The caches of all layers together."""
    layers = layer_caches(facts, settings)
    if layers.by_layer is None:
        return Part(None, layers.missing)
    return Part(sum(layers.by_layer))


def layer_caches(facts: ModelFacts, settings: RunSettings) -> LayerCache:
    """What each layer keeps for ``settings``.

    A layer that keeps nothing (an encoder's, one that shares another's cache)
    is 0. Unknown when any layer is.
    """
    count = facts.block_count
    if count is None or not 0 < count <= LAYERS_MAX:
        return LayerCache(None, ("block_count",))
    if facts.architecture in ENCODERS:
        return LayerCache((0,) * count)
    if missing := _missing(facts):
        return LayerCache(None, missing)
    caching = _caching_layers(facts, count)
    state = _state_bytes(facts) * max(1, settings.slots)
    known: dict[tuple[int, bool], int] = {}  # few kinds of layer; a header may claim thousands
    sizes = [0] * count
    for layer in range(caching):
        recurrent = _is_recurrent(facts, layer)
        if recurrent:
            sizes[layer] += state
        if not recurrent or facts.architecture in RECURRENT_BESIDE:
            kind = kv_heads(facts, layer), is_windowed(facts, layer)
            if kind not in known:
                known[kind] = _attention_bytes(facts, settings, *kind)
            sizes[layer] += known[kind]
    return LayerCache(tuple(sizes))


def kv_heads(facts: ModelFacts, layer: int) -> int:
    """Heads of keys and values in a layer; without a key of its own, as many as query heads."""
    per_layer = facts.head_count_kv_layers
    if per_layer is not None and layer < len(per_layer):
        return per_layer[layer]
    return facts.head_count_kv if facts.head_count_kv is not None else facts.head_count or 0


def key_width(facts: ModelFacts) -> int | None:
    """Elements of one head's key: its own key, else the embedding shared by the heads."""
    if facts.key_length is not None:
        return facts.key_length
    if facts.embedding_length is None or not facts.head_count:
        return None
    return facts.embedding_length // facts.head_count


def is_windowed(facts: ModelFacts, layer: int) -> bool:
    """Whether the engine gives this layer a cache of its window only."""
    if window_tokens(facts) is None:
        return False
    flags = facts.sliding_window_layers
    if flags is not None:
        return layer < len(flags) and flags[layer] != 0
    period = facts.sliding_window_period or WINDOW_PERIODS.get(facts.architecture, 1)
    if facts.architecture in FULL_LAYER_FIRST:
        return layer % period != 0
    return layer % period < period - 1


def window_tokens(facts: ModelFacts) -> int | None:
    """The window, where the engine makes use of it; it ignores the key of other architectures."""
    known = facts.architecture in WINDOW_PERIODS or facts.architecture in WINDOWED_BY_LAYER
    if not known:
        return None
    if facts.sliding_window is None:
        return WINDOW_DEFAULTS.get(facts.architecture)
    return facts.sliding_window or None


def _missing(facts: ModelFacts) -> tuple[str, ...]:
    """The names of the header's keys without which the caches cannot be computed."""
    arch = facts.architecture
    if arch in RECURRENT:
        return _missing_state(facts)
    missing: list[str] = []
    mixed = arch in RECURRENT_WITHOUT_HEADS | RECURRENT_BY_INTERVAL | RECURRENT_BESIDE
    if mixed:
        missing += _missing_state(facts)
    elif _says_recurrent(facts):
        missing.append(f"which layers of {arch} are recurrent")
    if facts.head_count is None and facts.head_count_kv is None:
        missing.append("attention.head_count")
    if key_width(facts) is None:
        missing.append("attention.key_length")
    if facts.architecture in WINDOWED_BY_LAYER and facts.sliding_window_layers is None:
        missing.append("attention.sliding_window_pattern")
    if arch.startswith("t5"):
        missing.append(f"the two caches of {arch}")
    return tuple(missing)


def _says_recurrent(facts: ModelFacts) -> bool:
    return any((facts.ssm_inner_size, facts.wkv_head_size, facts.shortconv_l_cache))


def _missing_state(facts: ModelFacts) -> tuple[str, ...]:
    if facts.wkv_head_size is not None or facts.shortconv_l_cache is not None:
        return () if facts.embedding_length is not None else ("embedding_length",)
    if "rwkv" in facts.architecture:
        return ("wkv.head_size",)
    if facts.architecture.startswith("lfm2"):
        return ("shortconv.l_cache",)
    needed = {
        "ssm.conv_kernel": facts.ssm_conv_kernel,
        "ssm.inner_size": facts.ssm_inner_size,
        "ssm.state_size": facts.ssm_state_size,
    }
    return tuple(name for name, value in needed.items() if value is None)


def _state_bytes(facts: ModelFacts) -> int:
    """One layer's state for one sequence (``llama_hparams::n_embd_r`` and ``n_embd_s``)."""
    width = facts.embedding_length or 0
    if facts.wkv_head_size:
        shifted = facts.token_shift_count or TOKEN_SHIFT_DEFAULT
        elements = width * shifted + width * facts.wkv_head_size
    elif facts.shortconv_l_cache:
        elements = width * (facts.shortconv_l_cache - 1)
    else:
        inner, state = facts.ssm_inner_size or 0, facts.ssm_state_size or 0
        shifted = max(0, (facts.ssm_conv_kernel or 0) - 1)
        elements = shifted * (inner + 2 * (facts.ssm_group_count or 0) * state) + state * inner
    return elements * STATE_ELEMENT_BYTES


def _caching_layers(facts: ModelFacts, count: int) -> int:
    """How many layers from the start have a cache of their own."""
    count -= min(count, facts.nextn_predict_layers or 0)
    if facts.shared_kv_layers:
        return max(0, count - facts.shared_kv_layers)
    return min(count, KV_LAYERS_FROM_START.get(facts.architecture, count))


def _is_recurrent(facts: ModelFacts, layer: int) -> bool:
    arch = facts.architecture
    if arch in RECURRENT or arch in RECURRENT_BESIDE:
        return True
    if arch in RECURRENT_WITHOUT_HEADS:
        return kv_heads(facts, layer) == 0
    if arch in RECURRENT_BY_INTERVAL:
        return (layer + 1) % (facts.full_attention_interval or INTERVAL_DEFAULT) != 0
    return False


def _attention_bytes(facts: ModelFacts, settings: RunSettings, heads: int, windowed: bool) -> int:
    key = key_width(facts) or 0
    value = facts.value_length if facts.value_length is not None else key
    if windowed:
        key = facts.key_length_swa or key
        value = facts.value_length_swa or value
    if facts.key_length_mla is not None and facts.value_length_mla is not None:
        value = 0
    kept = _window_cells(facts, settings) if windowed else cells(settings)
    return kept * (
        _row_bytes(heads * key, settings.key_type) + _row_bytes(heads * value, settings.value_type)
    )


def _window_cells(facts: ModelFacts, settings: RunSettings) -> int:
    stream = cells_of_a_stream(settings)
    if settings.swa_full:
        return cells(settings)
    seen = (window_tokens(facts) or 0) * (settings.slots if settings.unified else 1)
    kept = _rounded(min(stream, seen + settings.ubatch_tokens))
    return kept * (1 if settings.unified else max(1, settings.slots))


def _row_bytes(width: int, kind: KvType) -> int:
    block, block_bytes = KV_BLOCKS[kind]
    return -(-width // block) * block_bytes


def _rounded(tokens: int) -> int:
    return -(-max(1, tokens) // CELLS_STEP) * CELLS_STEP
