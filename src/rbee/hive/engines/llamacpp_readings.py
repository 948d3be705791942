"""Readings of llama.cpp's server: the bodies of ``/slots`` and ``/metrics``.

Every engine that runs in ``rbee.worker`` speaks this face, the scripted one
included. Formats: llama.cpp's tools/server/README.md, "GET /slots" and
"GET /metrics" (Prometheus text).
"""

from typing import Final

import msgspec

from rbee.hive.engines.reading import Reading

_QUEUED = "llamacpp:requests_deferred"
_TOKENS = "llamacpp:tokens_predicted_total"
_STEPS = "llamacpp:n_decode_total"  # llama_decode() calls, counted as they end
_REQUESTS = "rbee:requests_total"  # of our own workers; llama.cpp counts none
_NAMES = frozenset({_QUEUED, _TOKENS, _STEPS, _REQUESTS})

REQUEST_MARK: Final = b"processing task, is_child = 0"
"""In llama.cpp's log, at the start of each request (of several answers to one: the first)."""


class _Slot(msgspec.Struct):
    is_processing: bool


def read(slots: bytes | None, metrics: str | None) -> Reading:
    """One look at a worker. A body of another shape is as good as none."""
    total, busy = _count(slots)
    numbers = _numbers(metrics)
    queued, requests = numbers.get(_QUEUED), numbers.get(_REQUESTS)
    return Reading(
        slots_total=total,
        slots_busy=busy,
        queued=None if queued is None else int(queued),
        tokens_total=numbers.get(_TOKENS),
        steps=numbers.get(_STEPS),
        requests_total=None if requests is None else int(requests),
    )


def _count(slots: bytes | None) -> tuple[int | None, int | None]:
    if slots is None:
        return None, None
    try:
        found = msgspec.json.decode(slots, type=list[_Slot])
    except msgspec.MsgspecError:
        return None, None
    return len(found), sum(slot.is_processing for slot in found)


def _numbers(metrics: str | None) -> dict[str, float]:
    """The plain samples of a Prometheus page: ``name value``, labels not needed here."""
    numbers: dict[str, float] = {}
    for line in (metrics or "").splitlines():
        name, _, value = line.partition(" ")
        if name in _NAMES:
            try:
                numbers[name] = float(value)
            except ValueError:
                continue  # a sample that is no number says nothing
    return numbers
