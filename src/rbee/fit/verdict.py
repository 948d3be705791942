"""Does it fit there: numbers, a reason, and what would make it fit.

``judge`` weighs an estimate against a device's room. Between "surely" and
"surely not" lies the estimate's error: then the answer is unknown, and whoever
asked may try. Remedies are computed, not guessed: each was judged to fit.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from rbee.contracts.models import ModelFacts
from rbee.fit.memory import Estimate, Measured, estimate, prefer_measured
from rbee.fit.settings import RunSettings

HEADROOM_BYTES: Final = 128 * 1024 * 1024  # left to the system and its drivers on every device
CONTEXT_USEFUL_TOKENS: Final = 1_024  # a smaller context is no advice
CONTEXT_STEP_TOKENS: Final = 256  # the cache's own step

_MIB: Final = 1024 * 1024


class DeviceMemory(msgspec.Struct, frozen=True, kw_only=True):
    """A device's memory now. Unknown is null.

    ``held_bytes`` is what our other workers on it use now (so it is missing from
    ``free_bytes`` already), ``expected_bytes`` what they will use when they are
    loaded and full.
    """

    id: str
    total_bytes: int | None = None
    free_bytes: int | None = None
    held_bytes: int = 0
    expected_bytes: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. ``unknown`` means that it may fit: the numbers say how near it is.

    ``needed_bytes`` is null where the estimate is; ``available_bytes`` where the
    device's memory is. ``remedies`` are sentences, the mildest first.
    """

    fits: Literal["yes", "no", "unknown"]
    device: str
    needed_bytes: int | None
    available_bytes: int | None
    reason: str
    remedies: tuple[str, ...] = ()
    estimate: Estimate


def available_bytes(device: DeviceMemory) -> int | None:
    """What a new worker may take: free, less what others will still take, less headroom."""
    if device.free_bytes is None:
        return None
    free = device.free_bytes
    if device.total_bytes is not None:
        free = min(free, device.total_bytes)
    still_to_come = max(0, device.expected_bytes - device.held_bytes)
    return max(0, free - still_to_come - HEADROOM_BYTES)


def judge(
    facts: ModelFacts,
    settings: RunSettings,
    device: DeviceMemory,
    *,
    measured: Measured | None = None,
) -> Verdict:
    """Whether the whole model fits on ``device`` with ``settings``."""
    needed = prefer_measured(estimate(facts, settings), measured)
    room = available_bytes(device)
    fits = _fits(needed, room)
    remedies = () if fits == "yes" or room is None else tuple(_remedies(facts, settings, room))
    return Verdict(
        fits=fits,
        device=device.id,
        needed_bytes=needed.total_bytes,
        available_bytes=room,
        reason=_reason(fits, needed, device, room),
        remedies=remedies,
        estimate=needed,
    )


def judge_estimate(needed: Estimate, device: DeviceMemory) -> Verdict:
    """As ``judge`` for numbers that are there already; gives no remedies."""
    room = available_bytes(device)
    fits = _fits(needed, room)
    return Verdict(
        fits=fits,
        device=device.id,
        needed_bytes=needed.total_bytes,
        available_bytes=room,
        reason=_reason(fits, needed, device, room),
        estimate=needed,
    )


def largest_context(facts: ModelFacts, settings: RunSettings, room_bytes: int) -> int | None:
    """The most context tokens up to ``settings``' own that surely fit; None when none does."""
    low, high = 0, settings.context_tokens // CONTEXT_STEP_TOKENS
    while low < high:
        middle = (low + high + 1) // 2
        tried = msgspec.structs.replace(settings, context_tokens=middle * CONTEXT_STEP_TOKENS)
        if _fits(estimate(facts, tried), room_bytes) == "yes":
            low = middle
        else:
            high = middle - 1
    return low * CONTEXT_STEP_TOKENS or None


def _fits(needed: Estimate, room: int | None) -> Literal["yes", "no", "unknown"]:
    if room is None:
        return "unknown"
    if needed.low_bytes > room:
        return "no"
    if needed.high_bytes is not None and needed.high_bytes <= room:
        return "yes"
    return "unknown"


def _reason(fits: str, needed: Estimate, device: DeviceMemory, room: int | None) -> str:
    parts = _parts(needed)
    if room is None:
        return f"the free memory of {device.id} is unknown; needed: {parts}"
    taken = device.expected_bytes - device.held_bytes
    kept = f", {_mib(taken)} promised to workers that still load" if taken > 0 else ""
    free = f"{_mib(room)} may be used on {device.id} ({_mib(device.free_bytes or 0)} free{kept})"
    if needed.total_bytes is None:
        missing = "; ".join(needed.unknown)
        return f"at least {_mib(needed.low_bytes)} needed, {free}; unknown is {missing}"
    words = {"yes": "it fits", "no": "it does not fit", "unknown": "it may or may not fit"}
    return f"{words[fits]}: {parts} needed, {free}"


def _parts(needed: Estimate) -> str:
    if needed.source == "measured" and needed.total_bytes is not None:
        return f"{_mib(needed.total_bytes)} (measured)"
    named = [
        f"{name} {_mib(size)}" if size is not None else f"{name} unknown"
        for name, size in (
            ("weights", needed.weights_bytes),
            ("cache", needed.kv_bytes),
            ("compute", needed.compute_bytes),
            ("process", needed.overhead_bytes),
        )
    ]
    total = _mib(needed.total_bytes) if needed.total_bytes is not None else "an unknown sum"
    return f"about {total} ({', '.join(named)})"


def _remedies(facts: ModelFacts, settings: RunSettings, room: int) -> Iterator[str]:
    context = largest_context(facts, settings, room)
    if context is not None and CONTEXT_USEFUL_TOKENS <= context < settings.context_tokens:
        yield f"a context of {context:,} tokens fits"
    if {settings.key_type, settings.value_type} & {"f16", "f32", "bf16"}:
        smaller = msgspec.structs.replace(settings, key_type="q8_0", value_type="q8_0")
        if _fits(estimate(facts, smaller), room) == "yes":
            yield "a cache of type q8_0 fits"
    now = estimate(facts, settings)
    if now.high_bytes is not None and now.weights_bytes:
        left = room - (now.high_bytes - now.weights_bytes)
        if 0 < left < now.weights_bytes:
            share = 100 * left // now.weights_bytes
            yield (
                f"a quantisation with at most {_mib(left)} of weights"
                f" ({share} % of this one's) fits"
            )


def told(remedies: Iterable[str]) -> str:
    """Remedies as one sentence for an error's ``remedy``; empty when there are none."""
    found = "; or ".join(remedies)
    return f"{found[0].upper()}{found[1:]}." if found else ""


def _mib(size_bytes: int) -> str:
    return f"{-(-size_bytes // _MIB):,} MiB"
