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


class _Next(msgspec.Struct):
    n_decoded: int = 0


class _Slot(msgspec.Struct):
    is_processing: bool
    next_token: list[_Next] | _Next = []  # a list since the server knows speculation

    @property
    def decoded(self) -> int:
        """Tokens of the answer under way; what an ended one left there does not count."""
        if not self.is_processing:
            return 0
        rows = [self.next_token] if isinstance(self.next_token, _Next) else self.next_token
        return sum(row.n_decoded for row in rows)


def read(slots: bytes | None, metrics: str | None) -> Reading:
    """One look at a worker. A body of another shape is as good as none.

    The server adds an answer's tokens to its counter when the answer ends; until then its
    slot counts them. Only both together grow as tokens are made.
    """
    rows = _rows(slots)
    numbers = _numbers(metrics)
    queued, requests, ended = (numbers.get(name) for name in (_QUEUED, _REQUESTS, _TOKENS))
    under_way = sum(row.decoded for row in rows or ())
    return Reading(
        slots_total=None if rows is None else len(rows),
        slots_busy=None if rows is None else sum(row.is_processing for row in rows),
        queued=None if queued is None else int(queued),
        tokens_total=None if ended is None else ended + under_way,
        steps=numbers.get(_STEPS),
        requests_total=None if requests is None else int(requests),
    )


def _rows(slots: bytes | None) -> list[_Slot] | None:
    if slots is None:
        return None
    try:
        return msgspec.json.decode(slots, type=list[_Slot])
    except msgspec.MsgspecError:
        return None


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
