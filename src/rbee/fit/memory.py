"""How much memory a model needs: weights, cache, compute and the process around them.

Pure arithmetic over ``ModelFacts`` and ``RunSettings``. Each part is a number or
unknown with the names of what is missing; a total is given only when every part
is known, and a lower bound always. What was measured once for the same model,
settings and device replaces the total (``prefer_measured``).
"""

from typing import Final, Literal

import msgspec

from rbee.contracts.models import ModelFacts
from rbee.fit.cache import Part, cache_bytes, cells_of_a_stream, key_width, masked_cells
from rbee.fit.settings import RunSettings

FLOAT_BYTES: Final = 4  # activations are float32
MASK_ELEMENT_BYTES: Final = 2  # the attention's mask is float16 where flash attention is on
HIDDEN_ROWS: Final = 3  # gate, up and their product live at once
WIDTH_ROWS: Final = 5  # residual, norm and rows between a block's steps
OUTPUT_ROWS: Final = 6  # rows of the embedding's width beside a result per token
ATTENDED_ROWS: Final = 3  # query, rotated query and the attention's result
STATE_ROWS: Final = 5  # a recurrent block's inner width: gate, input, convolved, scanned, output
"""Rows that live at once, fitted to llama.cpp's own log (2026): the starter over contexts of
512 to 8,192, batches of 128 to 2,048 and 1 to 16 slots within 0.2 %; synthetic dense,
expert, window and MLA models within 1 %, a recurrent one within 3 %."""

PROCESS_BYTES: Final = 45 * 1024 * 1024  # interpreter and engine library, measured on Linux x86_64
WORD_BYTES: Final = 200  # a vocabulary's word in the tokeniser's tables, measured

PART_ERROR: Final = 0.2  # of everything but the weights, by benchmarks/fit_error.py with room
MEASURED_ERROR: Final = 0.03  # the same load twice differs by less


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes needed, part by part. Unknown is null, and ``unknown`` names why.

    ``low_bytes`` and ``high_bytes`` bound the truth: with unknown parts the lower
    bound counts only the known ones and there is no upper one. ``source`` says
    whether ``total_bytes`` was computed or measured.
    """

    weights_bytes: int | None
    kv_bytes: int | None
    compute_bytes: int | None
    overhead_bytes: int
    total_bytes: int | None
    low_bytes: int
    high_bytes: int | None
    unknown: tuple[str, ...] = ()
    source: Literal["estimate", "measured"] = "estimate"


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What runs really used at most. ``samples`` counts the runs."""

    peak_bytes: int
    samples: int = 1


def estimate(facts: ModelFacts, settings: RunSettings) -> Estimate:
    """What ``facts`` need when run with ``settings``, all on one device."""
    weights = _weights(facts)
    cache = cache_bytes(facts, settings)
    compute = compute_bytes(facts, settings)
    overhead = overhead_bytes(facts, settings)
    parts = (weights, cache, compute)
    known = sum(part.size_bytes or 0 for part in (cache, compute)) + overhead
    exact = weights.size_bytes or 0
    complete = all(part.size_bytes is not None for part in parts)
    missing = [
        f"{name}: {', '.join(part.missing)}"
        for name, part in zip(("weights", "cache", "compute"), parts, strict=True)
        if part.size_bytes is None
    ]
    return Estimate(
        weights_bytes=weights.size_bytes,
        kv_bytes=cache.size_bytes,
        compute_bytes=compute.size_bytes,
        overhead_bytes=overhead,
        total_bytes=exact + known if complete else None,
        low_bytes=exact + int(known * (1 - PART_ERROR)),
        high_bytes=exact + int(known * (1 + PART_ERROR)) if complete else None,
        unknown=tuple(missing),
    )


def prefer_measured(computed: Estimate, measured: Measured | None) -> Estimate:
    """``computed`` with its total replaced by what was measured, if anything was.

    The parts stay as computed: a measurement does not tell them apart.
    """
    if measured is None or measured.peak_bytes <= 0:
        return computed
    peak = measured.peak_bytes
    return msgspec.structs.replace(
        computed,
        total_bytes=peak,
        low_bytes=int(peak * (1 - MEASURED_ERROR)),
        high_bytes=int(peak * (1 + MEASURED_ERROR)),
        unknown=(),
        source="measured",
    )


def compute_bytes(facts: ModelFacts, settings: RunSettings) -> Part:
    """The graph's buffers for one batch, and the results that leave it.

    Per token the widest moment counts: a feed-forward block (of the experts in
    use), an attention, a recurrent block, or the vocabulary where every token has
    a result. The masks, and without flash attention the scores of all heads, grow
    with the context.
    """
    width, vocabulary = facts.embedding_length, facts.vocab_size
    hidden = _hidden_width(facts)
    missing = [
        name
        for name, value in (
            ("embedding_length", width),
            ("feed_forward_length", hidden),
            ("vocab_size", vocabulary),
        )
        if value is None
    ]
    if width is None or hidden is None or vocabulary is None:
        return Part(None, tuple(missing))
    tokens = min(settings.ubatch_tokens, max(1, settings.context_tokens))
    attended = (facts.head_count or 0) * (key_width(facts) or 0)
    moments = [
        HIDDEN_ROWS * hidden + WIDTH_ROWS * width,
        ATTENDED_ROWS * attended + 2 * width,
        STATE_ROWS * (facts.ssm_inner_size or 0) + WIDTH_ROWS * width,
    ]
    if settings.all_outputs:
        moments.append(vocabulary + OUTPUT_ROWS * width)
    results = max(1, settings.slots) * vocabulary
    seen = tokens * masked_cells(facts, settings) * MASK_ELEMENT_BYTES
    if not settings.flash_attention:
        heads = max(1, facts.head_count or 1)
        seen += tokens * cells_of_a_stream(settings) * heads * FLOAT_BYTES
    return Part((tokens * max(moments) + results) * FLOAT_BYTES + seen)


def overhead_bytes(facts: ModelFacts, settings: RunSettings) -> int:
    """The process, the vocabulary's tables and the prompts it may keep."""
    return PROCESS_BYTES + WORD_BYTES * (facts.vocab_size or 0) + settings.prompt_cache_bytes


def _weights(facts: ModelFacts) -> Part:
    if facts.weights_bytes is None:
        return Part(None, ("the size of all its parts",))
    return Part(facts.weights_bytes)


def _hidden_width(facts: ModelFacts) -> int | None:
    """The widest feed-forward row of a token; of experts, those that a token uses.

    0 for purely recurrent blocks, which have none.
    """
    dense = facts.feed_forward_length
    if facts.expert_count:
        used, each = facts.expert_used_count, facts.expert_feed_forward_length
        if used is None or (each is None and dense is None):
            return None
        return max(dense or 0, used * (dense or 0 if each is None else each))
    if dense is None and facts.ssm_inner_size is not None:
        return 0
    return dense
