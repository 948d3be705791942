"""The workers that take requests now, by model: what routing reads for every request.

Each model has one pool. A beat that changes a worker's load replaces one element
of a list; a worker that comes or goes is appended or swapped out. So a beat costs
the same whatever the size of the colony, and ``Router`` may keep positions for as
long as a pool's ``version`` stands still.
"""

from rbee.queen.registry.workers import RoutableWorker


class ServingPool:
    """The serving workers of one model. To be read, and not across an await.

    ``places`` maps worker ids to positions in ``workers``. ``version`` grows when a
    worker came, went or became another one (its slots, task, process or machine);
    mere load leaves it.
    """

    __slots__ = ("places", "version", "workers")

    def __init__(self) -> None:
        self.workers: list[RoutableWorker] = []
        self.places: dict[str, int] = {}
        self.version = 0

    def get(self, worker_id: str) -> RoutableWorker | None:
        """The worker with this id, if it serves here."""
        place = self.places.get(worker_id)
        return None if place is None else self.workers[place]

    def put(self, worker: RoutableWorker) -> None:
        """Take a worker in, or its newer figures."""
        place = self.places.get(worker.worker_id)
        if place is None:
            self.places[worker.worker_id] = len(self.workers)
            self.workers.append(worker)
            self.version += 1
            return
        before = self.workers[place]
        self.workers[place] = worker
        if (
            before.slots_total != worker.slots_total
            or before.generation != worker.generation
            or before.task != worker.task
            or before.local != worker.local
            or before.hive_id != worker.hive_id
            or (before.labels is not worker.labels and before.labels != worker.labels)
        ):
            self.version += 1

    def drop(self, worker_id: str) -> None:
        """Take a worker out; the last one moves to its place."""
        place = self.places.pop(worker_id)
        last = self.workers.pop()
        if last.worker_id != worker_id:
            self.workers[place] = last
            self.places[last.worker_id] = place
        self.version += 1


class ServingIndex:
    """All pools, and which one a worker is in."""

    __slots__ = ("_model_of", "_pools")

    def __init__(self) -> None:
        self._pools: dict[str, ServingPool] = {}
        self._model_of: dict[str, str] = {}

    def pool(self, model: str) -> ServingPool | None:
        """The pool of a model, or None when no worker serves it."""
        return self._pools.get(model)

    def get(self, worker_id: str) -> RoutableWorker | None:
        """A worker that takes requests now, None for any other."""
        model = self._model_of.get(worker_id)
        return None if model is None else self._pools[model].get(worker_id)

    def serves(self, worker_id: str) -> bool:
        """Whether a worker takes requests now."""
        return worker_id in self._model_of

    def put(self, worker: RoutableWorker) -> None:
        """Take a worker in, or its newer figures; one that changed its model moves."""
        before = self._model_of.get(worker.worker_id)
        if before != worker.model:
            if before is not None:
                self.drop(worker.worker_id)
            self._model_of[worker.worker_id] = worker.model
        pool = self._pools.get(worker.model)
        if pool is None:
            pool = self._pools[worker.model] = ServingPool()
        pool.put(worker)

    def drop(self, worker_id: str) -> None:
        """Take a worker out, if it is in."""
        model = self._model_of.pop(worker_id, None)
        if model is None:
            return
        pool = self._pools[model]
        pool.drop(worker_id)
        if not pool.workers:
            del self._pools[model]  # who kept it sees an empty pool, and asks for a new one
