"""A router over a colony of made-up workers, with slots counted as admission counts them."""

import msgspec

from rbee.contracts.workers import WorkerStats
from rbee.queen.inference.call import Call
from rbee.queen.inference.router import Router
from rbee.queen.inference.routing import Choice
from rbee.queen.registry.colony import Colony
from rbee.queen.routing_settings import Rules
from rbee.testing.raw_worker import beat, ready_worker


def call(
    *,
    body: bytes = b"{}",
    hive_id: str | None = None,
    worker_id: str | None = None,
    session: str | None = None,
    labels: frozenset[str] = frozenset(),
) -> Call:
    return Call(
        job_id="job",
        model="m",
        path="/v1/completions",
        body=body,
        stream=True,
        hive_id=hive_id,
        worker_id=worker_id,
        session=session,
        labels=labels,
    )


class Stand:
    """A router over a colony, with slots counted as admission counts them."""

    def __init__(self, *workers: WorkerStats, rules: Rules | None = None) -> None:
        self.now = 100.0
        self.colony = Colony()
        self.router = Router(self.colony, rules, clock=lambda: self.now)
        self.running: dict[str, int] = {}
        self._stamp = 1.0
        if workers:
            self.beat(*workers)

    def beat(
        self, *workers: WorkerStats, hive: str = "hive", far: bool = False, labels: str = ""
    ) -> None:
        self._stamp += 1
        message = beat(workers, hive_id=hive, at=self._stamp)
        message.hive_info.labels = labels.split()
        if far:
            message.hive_info.hostname = message.hive_info.address = hive
        self.colony.beat(message, self.now)

    def take(self, asked: Call | None = None) -> Choice | None:
        choice = self.router.choose("m", asked or call(), self.running)
        if choice is not None:
            worker_id = choice.worker.worker_id
            self.running[worker_id] = self.running.get(worker_id, 0) + 1
        return choice

    def give(self, choice: Choice) -> None:
        self.running[choice.worker.worker_id] -= 1
        self.router.freed(choice.worker)

    def once(self, asked: Call | None = None) -> str | None:
        """Who serves a request that ends at once."""
        choice = self.take(asked)
        if choice is None:
            return None
        self.give(choice)
        return choice.worker.worker_id

    def fail(self, worker_id: str, times: int = 1) -> None:
        for _ in range(times):
            self.router.ended(worker_id, "m", first_byte_s=None, whole_s=None, ok=False)

    def went_well(self, worker_id: str, first_byte_s: float = 0.1) -> None:
        self.router.ended(worker_id, "m", first_byte_s=first_byte_s, whole_s=1.0, ok=True)


def workers(count: int, *, slots: int = 1) -> list[WorkerStats]:
    return [ready_worker(f"w{n}", 9001 + n, slots=slots) for n in range(count)]


def remote(*names: str, slots: int = 1) -> list[WorkerStats]:
    return [
        msgspec.structs.replace(ready_worker(name, 9001, slots=slots), address="10.0.0.7")
        for name in names
    ]
