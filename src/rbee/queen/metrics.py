"""The queen's figures for Prometheus: what the tally counted, and what is so right now.

Read at a scrape, written by nobody here: the tally (requests, routing, spawns), the
registry (hives, workers, devices), the queue and the jobs each keep their own state.
Labels are bounded: models and endpoints by the tally, queues by the registry's models,
hives by ``HIVES_MAX``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol, get_args

from prometheus_client.core import Metric

from rbee.contracts.jobs import JobState
from rbee.contracts.status import HiveLiveness
from rbee.contracts.workers import WorkerStatus
from rbee.foundation.metrics import Families, counter, gauge, histogram
from rbee.foundation.node_metrics import node_families
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.hives import HiveView
from rbee.queen.tally import OTHER, Row, Tally

HIVES_MAX: Final = 1_000  # with some 15 lines each a scrape stays under 2 MB; all are counted

_ROW: Final = ("model", "endpoint")


class Queue(Protocol):
    """What is read of the queue."""

    def models(self) -> list[str]:
        """The models, or names, that somebody waits for."""
        ...

    def waiting(self, model: str) -> int:
        """How many wait for one."""
        ...


class Figures:
    """The source for ``foundation.metrics``. ``running`` counts requests per worker id."""

    def __init__(
        self,
        *,
        tally: Tally,
        colony: Colony,
        queue: Queue,
        running: Callable[[], Mapping[str, int]],
        jobs: Callable[[], Iterable[JobState]],
    ) -> None:
        self._tally = tally
        self._colony = colony
        self._queue = queue
        self._running = running
        self._jobs = jobs

    def __call__(self) -> Families:
        """Note what is so now; the families are made later."""
        tally, hives, running = self._tally.copied(), self._colony.hives(), dict(self._running())
        waiting, states = self._waiting(), Counter(self._jobs())

        def families() -> Iterator[Metric]:
            rows = tally.rows()
            yield from _requests(rows)
            yield from _tokens(rows)
            yield from _decisions(tally)
            yield from _load(waiting, running, states)
            yield from _colony(hives)
            yield from _slots(hives, running)
            yield from node_families((str(hive.id), hive.node) for hive in hives[:HIVES_MAX])

        return families

    def _waiting(self) -> Counter[str]:
        waiting: Counter[str] = Counter()
        for name in self._queue.models():
            # A name that no hive has is its client's invention: it gets no line of its own.
            waiting[self._colony.resolve(name) or OTHER] += self._queue.waiting(name)
        return waiting


def _load(
    waiting: Counter[str], running: Mapping[str, int], states: Counter[JobState]
) -> Iterator[Metric]:
    yield gauge(
        "rbee_waiting_requests",
        "Requests that wait for a slot.",
        ("model",),
        [((model,), count) for model, count in waiting.items()],
    )
    yield gauge(
        "rbee_running_requests",
        "Requests that are with a worker.",
        (),
        [((), sum(running.values()))],
    )
    yield gauge(
        "rbee_jobs",
        "Jobs that are kept, by state.",
        ("state",),
        [((state,), states[state]) for state in get_args(JobState)],
    )


def _requests(rows: list[Row]) -> Iterator[Metric]:
    yield counter(
        "rbee_requests",
        "Requests for inference that have ended; status 499 is a client that left.",
        (*_ROW, "status"),
        [
            ((row.model, row.endpoint, str(status)), count)
            for row in rows
            for status, count in row.statuses.items()
        ],
    )
    yield histogram(
        "rbee_request_seconds",
        "From a request's arrival to the end of its answer.",
        _ROW,
        [((row.model, row.endpoint), row.whole_s) for row in rows],
    )
    yield histogram(
        "rbee_queue_seconds",
        "Time in the queue, 0 for who found a free slot.",
        _ROW,
        [((row.model, row.endpoint), row.queue_s) for row in rows],
    )
    yield histogram(
        "rbee_time_to_first_token_seconds",
        "From a request's arrival to the first byte of its answer's body.",
        _ROW,
        [((row.model, row.endpoint), row.first_s) for row in rows],
    )
    yield histogram(
        "rbee_inter_token_seconds",
        "Mean time between the events of one streamed answer.",
        _ROW,
        [((row.model, row.endpoint), row.gap_s) for row in rows],
    )


def _tokens(rows: list[Row]) -> Iterator[Metric]:
    yield counter(
        "rbee_tokens",
        "Tokens, of answers that told their usage.",
        (*_ROW, "kind"),
        [
            ((row.model, row.endpoint, kind), count)
            for row in rows
            for kind, count in (
                ("prompt", row.prompt_tokens),
                ("completion", row.completion_tokens),
            )
        ],
    )
    yield counter(
        "rbee_stream_events",
        "Events of streamed answers, about one a token.",
        _ROW,
        [((row.model, row.endpoint), row.events) for row in rows],
    )


def _decisions(tally: Tally) -> Iterator[Metric]:
    yield _words("rbee_routed", "Requests given to a worker.", "policy", tally.routes.counts)
    yield _words("rbee_refusals", "Requests answered with an error.", "code", tally.refusals.counts)
    yield _words("rbee_retries", "Workers lost before their first byte.", "model", tally.retries)
    yield counter(
        "rbee_continued_streams",
        "Answers whose worker died in the middle, by what became of them.",
        ("model", "outcome"),
        [
            ((model, "continued" if ok else "broken"), count)
            for (model, ok), count in tally.continued_streams.items()
        ],
    )
    yield _words("rbee_spawns", "Workers started on demand.", "outcome", tally.spawns.counts)
    yield histogram(
        "rbee_load_seconds",
        "From a spawn's command to its worker's readiness.",
        (),
        [((), tally.load_s)],
    )
    yield _words("rbee_evictions", "Workers told to go.", "reason", tally.evictions.counts)


def _words(name: str, about: str, label: str, counts: Mapping[str, int]) -> Metric:
    return counter(name, about, (label,), [((word,), count) for word, count in counts.items()])


def _colony(hives: list[HiveView]) -> Iterator[Metric]:
    states = Counter(hive.state for hive in hives)
    yield gauge(
        "rbee_hives",
        "Hives that have joined, by state.",
        ("state",),
        [((state,), states[state]) for state in get_args(HiveLiveness)],
    )
    statuses = Counter(worker.status for hive in hives for worker in hive.workers)
    yield gauge(
        "rbee_workers",
        "Workers, by what their hives say.",
        ("status",),
        [((status,), statuses[status]) for status in get_args(WorkerStatus)],
    )


def _slots(hives: list[HiveView], running: Mapping[str, int]) -> Iterator[Metric]:
    """By hive and model: worker ids come and go, and would never end."""
    slots: Counter[tuple[str, str]] = Counter()
    busy: Counter[tuple[str, str]] = Counter()
    rates: dict[tuple[str, str], float] = {}
    for hive in hives[:HIVES_MAX]:
        for worker in hive.workers:
            key = (str(hive.id), worker.model)
            slots[key] += worker.slots_total or 0
            busy[key] += running.get(worker.worker_id, 0)
            if worker.tokens_per_s is not None:
                rates[key] = rates.get(key, 0.0) + worker.tokens_per_s
    labels = ("hive", "model")
    yield gauge("rbee_slots", "Requests that the workers take at once.", labels, slots.items())
    yield gauge("rbee_slots_in_use", "Of these, used by this queen.", labels, busy.items())
    yield gauge(
        "rbee_tokens_per_second", "Of the workers, as their hives say.", labels, rates.items()
    )
