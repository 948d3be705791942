"""A hive's figures for Prometheus: its machine, its devices, its workers, its jobs.

The queen shows most of this for the whole colony; a hive's own page is for who looks
after one machine, or has no queen. Read at a scrape from what the hive knows anyway.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from prometheus_client.core import Metric

from rbee.contracts.hives import NodeStats
from rbee.contracts.jobs import JobState
from rbee.contracts.workers import WorkerStats, WorkerStatus
from rbee.foundation.metrics import MIB, Families, gauge, scaled
from rbee.foundation.node_metrics import node_families


class Figures:
    """The source for ``foundation.metrics``."""

    def __init__(
        self,
        hive_id: str,
        *,
        node: Callable[[], NodeStats],
        workers: Callable[[], list[WorkerStats]],
        jobs: Callable[[], Iterable[JobState]],
    ) -> None:
        self._hive_id = hive_id
        self._node = node
        self._workers = workers
        self._jobs = jobs

    def __call__(self) -> Families:
        """Note what is so now; the families are made later."""
        node, workers, states = self._node(), self._workers(), Counter(self._jobs())
        statuses = Counter(worker.status for worker in workers)

        def families() -> Iterator[Metric]:
            yield gauge(
                "rbee_hive_workers",
                "Workers of this hive.",
                ("status",),
                [((status,), statuses[status]) for status in get_args(WorkerStatus)],
            )
            yield from _by_model(workers)
            yield gauge(
                "rbee_hive_jobs",
                "Jobs that are kept, by state.",
                ("state",),
                [((state,), states[state]) for state in get_args(JobState)],
            )
            yield from node_families([(self._hive_id, node)])

        return families


def _by_model(workers: list[WorkerStats]) -> Iterator[Metric]:
    """By model: worker ids come and go, and would never end."""
    restarts: Counter[tuple[str]] = Counter()
    memory: Counter[tuple[str]] = Counter()
    for worker in workers:
        restarts[worker.model,] += worker.restarts
        memory[worker.model,] += int(scaled(worker.rss_mb, MIB) or 0)
    yield gauge(
        "rbee_hive_worker_restarts",
        "Times that the workers which are there now crashed and were started anew.",
        ("model",),
        restarts.items(),
    )
    yield gauge(
        "rbee_hive_worker_memory_bytes",
        "Resident memory of the workers of a model.",
        ("model",),
        memory.items(),
    )
