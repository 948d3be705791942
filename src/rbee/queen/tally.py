"""What the data plane counts: plain integers and bucket lists, for ``/metrics`` to read.

The hot path calls ``answered`` once per request and pays for a dictionary look-up,
a few additions and four bisections: no lock (one thread owns it), no label object,
no clock. ``queen.metrics`` turns the figures into Prometheus text when somebody
asks. The rule it keeps: whatever clients send, the number of rows stays bounded. A
name that no worker ever answered for counts under ``other``.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

OTHER: Final = "other"

MODELS_MAX: Final = 100  # a colony serves dozens; each row is about 2 KiB and 60 lines of a scrape
ENDPOINTS_MAX: Final = 16  # the doors' table has ten
WORDS_MAX: Final = 32  # policies, reasons, error codes: all are short lists in our own code

# Bounds in seconds, each list 1-2-5 or finer over what was seen: performance.md and engines.md.
QUEUE_S: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
FIRST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
GAP_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)
WHOLE_S: Final = (0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
LOAD_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0)

_CLIENTS_FAULT = range(400, 500)  # such an answer proves nothing about a model's name


class Buckets:
    """A histogram: ``counts[i]`` values were at most ``bounds[i]``, the last one above all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copied(self) -> "Buckets":
        """The same, at rest."""
        copy = Buckets(self.bounds)
        copy.counts, copy.total = self.counts.copy(), self.total
        return copy

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """Prometheus' own form: (upper bound, values up to it), ending with ``+Inf``."""
        seen = 0
        for bound, count in zip((*self.bounds, None), self.counts, strict=True):
            seen += count
            yield ("+Inf" if bound is None else repr(bound)), seen


class Row:
    """The figures of one model on one endpoint. All times in seconds."""

    __slots__ = (
        "completion_tokens",
        "endpoint",
        "events",
        "first_s",
        "gap_s",
        "model",
        "prompt_tokens",
        "queue_s",
        "statuses",
        "whole_s",
    )

    def __init__(self, model: str, endpoint: str) -> None:
        self.model = model
        self.endpoint = endpoint
        self.statuses: dict[int, int] = {}
        self.events = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.queue_s = Buckets(QUEUE_S)
        self.first_s = Buckets(FIRST_S)
        self.gap_s = Buckets(GAP_S)
        self.whole_s = Buckets(WHOLE_S)

    def copied(self) -> "Row":
        """The same, at rest."""
        copy = Row(self.model, self.endpoint)
        copy.statuses = self.statuses.copy()
        copy.events = self.events
        copy.prompt_tokens, copy.completion_tokens = self.prompt_tokens, self.completion_tokens
        copy.queue_s, copy.first_s = self.queue_s.copied(), self.first_s.copied()
        copy.gap_s, copy.whole_s = self.gap_s.copied(), self.whole_s.copied()
        return copy


class Words:
    """Counts by a word of our own code, at most ``WORDS_MAX`` different ones."""

    __slots__ = ("counts",)

    def __init__(self, expected: Iterable[str] = ()) -> None:
        self.counts: dict[str, int] = dict.fromkeys(expected, 0)

    def add(self, word: str) -> None:
        """Count one."""
        counts = self.counts
        if word not in counts and len(counts) >= WORDS_MAX:
            word = OTHER
        counts[word] = counts.get(word, 0) + 1


class Tally:
    """All counters of a queen. Written by one thread, read by the same one at a scrape."""

    def __init__(self, *, models_max: int = MODELS_MAX) -> None:
        self._models_max = models_max
        self._rows: dict[tuple[str, str], Row] = {}
        self._models: set[str] = set()
        self._endpoints: set[str] = set()
        self.retries: dict[str, int] = {}
        self.continued_streams: dict[tuple[str, bool], int] = {}
        self.routes = Words()
        self.refusals = Words()
        self.spawns = Words(("started", "failed"))
        self.load_s = Buckets(LOAD_S)
        self.evictions = Words()

    # ── the hot path ─────────────────────────────────────────────────────────

    def answered(
        self,
        model: str,
        endpoint: str,
        status: int,
        *,
        queue_s: float = 0.0,
        first_s: float | None = None,
        whole_s: float = 0.0,
        events: int = 0,
    ) -> None:
        """One request has ended, well or not.

        ``status`` is what the client got, or 499 when it left. ``queue_s`` is the time
        in the queue, ``first_s`` from the request's arrival to the first byte of its
        body (None: there was none), ``whole_s`` from the arrival to the end.
        ``events`` counts a stream's events, 0 for an answer in one piece.
        """
        row = self._rows.get((model, endpoint))
        if row is None:
            row = self._row(model, endpoint, known=status not in _CLIENTS_FAULT)
        statuses = row.statuses
        statuses[status] = statuses.get(status, 0) + 1
        # ``Buckets.add`` written out: half of a request's share here is the calls.
        spread = row.queue_s
        spread.counts[bisect_left(QUEUE_S, queue_s) if queue_s else 0] += 1
        spread.total += queue_s
        spread = row.whole_s
        spread.counts[bisect_left(WHOLE_S, whole_s)] += 1
        spread.total += whole_s
        if first_s is None:
            return
        spread = row.first_s
        spread.counts[bisect_left(FIRST_S, first_s)] += 1
        spread.total += first_s
        if events > 1:
            row.events += events
            row.gap_s.add((whole_s - first_s) / (events - 1))

    def tokens(self, model: str, endpoint: str, prompt: int, completion: int) -> None:
        """What an answer's own usage said."""
        row = self._rows.get((model, endpoint)) or self._row(model, endpoint, known=True)
        row.prompt_tokens += prompt
        row.completion_tokens += completion

    def routed(self, policy: str) -> None:
        """A request was given to a worker by this policy."""
        self.routes.add(policy)

    # ── seldom ───────────────────────────────────────────────────────────────

    def refused(self, code: str) -> None:
        """A request was answered with this error code."""
        self.refusals.add(code)

    def retried(self, model: str) -> None:
        """A worker was lost before its first byte, and another one is asked."""
        model = self._label(model, known=False)
        self.retries[model] = self.retries.get(model, 0) + 1

    def continued(self, model: str, ok: bool) -> None:
        """A worker died in mid-answer: the answer was continued elsewhere, or could not be."""
        key = (self._label(model, known=True), ok)
        self.continued_streams[key] = self.continued_streams.get(key, 0) + 1

    def spawned(self, *, ok: bool, load_s: float | None = None) -> None:
        """A spawn has ended; ``load_s`` is how long it took from the command to ready."""
        self.spawns.add("started" if ok else "failed")
        if load_s is not None:
            self.load_s.add(load_s)

    def evicted(self, reason: str) -> None:
        """A worker was told to go, for this reason (``room``, ``idle``, ``shrink``)."""
        self.evictions.add(reason)

    # ── for a scrape ─────────────────────────────────────────────────────────

    def rows(self) -> list[Row]:
        """All rows, in the order of their first request."""
        return list(self._rows.values())

    def copied(self) -> "Tally":
        """The same, at rest: a scrape's text is written in a thread."""
        copy = Tally(models_max=self._models_max)
        copy._rows = {key: row.copied() for key, row in self._rows.items()}
        copy.retries = self.retries.copy()
        copy.continued_streams = self.continued_streams.copy()
        for name in ("routes", "refusals", "spawns", "evictions"):
            getattr(copy, name).counts = getattr(self, name).counts.copy()
        copy.load_s = self.load_s.copied()
        return copy

    # ── bounds ───────────────────────────────────────────────────────────────

    def _row(self, model: str, endpoint: str, *, known: bool) -> Row:
        key = (self._label(model, known=known), self._endpoint(endpoint))
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Row(*key)
        return row

    def _label(self, model: str, *, known: bool) -> str:
        """The model's own name if it has a row or may still get one, else ``other``."""
        if model in self._models:
            return model
        if not known or len(self._models) >= self._models_max:
            return OTHER
        self._models.add(model)
        return model

    def _endpoint(self, endpoint: str) -> str:
        if endpoint not in self._endpoints:
            if len(self._endpoints) >= ENDPOINTS_MAX:
                return OTHER
            self._endpoints.add(endpoint)
        return endpoint
