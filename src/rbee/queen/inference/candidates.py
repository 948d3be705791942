"""Who may have a free slot: the structure that makes a routing decision cost the same everywhere.

A pool of ten thousand workers is not looked through for each request. ``free``
holds the positions of those that may have a free slot; a draw takes a few of them
at random, and one that turns out to be full leaves the list until ``freed`` puts it
back. So each worker is looked at once when it fills up and not again before it
gives a slot back, and a draw that finds nobody proves that nobody is free.
"""

from collections.abc import Callable, Mapping
from typing import Final

from rbee.contracts.workers import Task
from rbee.queen.inference.routing import SLOTS_WHEN_UNKNOWN, UPPER, next_dice, scrambled
from rbee.queen.registry.serving import ServingPool
from rbee.queen.registry.workers import RoutableWorker

Running = Mapping[str, int]
"""Requests of this queen per worker id."""

_LABEL_SETS_MAX: Final = 64  # sets of labels are the callers' words
_LOOKED_AT_MAX: Final = 16  # of one hive's or label's workers, before all are looked through
_ENOUGH: Final = 2  # two by dice are nearly as good as all
_OUT: Final = -1  # not in ``free``


class Candidates:
    """The workers of one pool that do one task; made anew when the pool's version moves on."""

    __slots__ = (
        "_aside",
        "_at",
        "_by_hive",
        "_by_label",
        "_local",
        "_task",
        "free",
        "pool",
        "version",
    )

    def __init__(
        self, pool: ServingPool, task: Task, aside: Callable[[RoutableWorker], bool]
    ) -> None:
        """``aside`` says which workers are not to be used although they serve."""
        self.pool = pool
        self.version = pool.version
        self._task = task
        self._aside = aside
        self._by_hive: dict[str, list[int]] | None = None
        self._local: list[int] | None = None
        self._by_label: dict[frozenset[str], list[int]] = {}
        self.free: list[int] = [
            place
            for place, worker in enumerate(pool.workers)
            if worker.task == task and not aside(worker)
        ]
        self._at = [_OUT] * len(pool.workers)
        for at, place in enumerate(self.free):
            self._at[place] = at

    @property
    def current(self) -> bool:
        """Whether the pool still is what it was when this was made."""
        return self.version == self.pool.version

    def freed(self, worker_id: str) -> None:
        """This worker may have a free slot again."""
        place = self.pool.places.get(worker_id)
        if place is None or not self.current or self._at[place] != _OUT:
            return
        worker = self.pool.workers[place]
        if worker.task == self._task and not self._aside(worker):
            self._at[place] = len(self.free)
            self.free.append(place)

    def withdraw(self, worker_id: str) -> None:
        """Leave this worker out until ``freed``."""
        place = self.pool.places.get(worker_id)
        if place is not None and self.current and self._at[place] != _OUT:
            self._remove(self._at[place])

    def all_free(self, running: Running) -> list[RoutableWorker]:
        """Everyone with a free slot, in a stable order; for short lists."""
        found: list[RoutableWorker] = []
        workers = self.pool.workers
        full: list[int] = []
        for place in self.free:
            worker = workers[place]
            if _has_free(worker, running):
                found.append(worker)
            else:
                full.append(place)
        for place in full:
            self._remove(self._at[place])
        return found

    def draw(self, count: int, turn: int, running: Running) -> list[RoutableWorker]:
        """``count`` workers with a free slot, or all there are, picked by ``turn`` as by dice."""
        free, workers, at = self.free, self.pool.workers, self._at
        found: list[RoutableWorker] = []
        drawn = 0
        dice = scrambled(turn)
        while drawn < count and drawn < len(free):
            dice = next_dice(dice)
            spot = drawn + (dice >> UPPER) % (len(free) - drawn)
            place = free[spot]
            worker = workers[place]
            if not _has_free(worker, running):
                self._remove(spot)
                continue
            other = free[drawn]  # what was drawn goes to the front, so that it is not drawn again
            free[drawn], free[spot] = place, other
            at[place], at[other] = drawn, spot
            drawn += 1
            found.append(worker)
        return found

    def next_free(self, turn: int, running: Running) -> RoutableWorker | None:
        """The worker whose turn it is: the first with a free slot, counted on by ``turn``."""
        while self.free:
            spot = turn % len(self.free)
            worker = self.pool.workers[self.free[spot]]
            if _has_free(worker, running):
                return worker
            self._remove(spot)
        return None

    def get_free(self, worker_id: str, running: Running) -> RoutableWorker | None:
        """This worker, if it has a free slot and is not set aside."""
        place = self.pool.places.get(worker_id)
        if place is None or self._at[place] == _OUT:
            return None
        worker = self.pool.workers[place]
        return worker if _has_free(worker, running) else None

    def of_hive(self, hive_id: str, turn: int, running: Running) -> list[RoutableWorker]:
        """The workers of one hive with a free slot."""
        if self._by_hive is None:
            self._by_hive = {}
            for place, worker in enumerate(self.pool.workers):
                self._by_hive.setdefault(worker.hive_id, []).append(place)
        return self._having_free(self._by_hive.get(hive_id, []), turn, running)

    def of_this_machine(self, turn: int, running: Running) -> list[RoutableWorker]:
        """The workers on the queen's own machine with a free slot."""
        if self._local is None:
            self._local = [place for place, one in enumerate(self.pool.workers) if one.local]
        return self._having_free(self._local, turn, running)

    def labelled(self, labels: frozenset[str], turn: int, running: Running) -> list[RoutableWorker]:
        """The workers on hives that carry all ``labels``, with a free slot."""
        places = self._by_label.get(labels)
        if places is None:
            if len(self._by_label) >= _LABEL_SETS_MAX:
                self._by_label.clear()
            places = self._by_label[labels] = [
                place for place, worker in enumerate(self.pool.workers) if labels <= worker.labels
            ]
        return self._having_free(places, turn, running)

    def ids(self) -> list[str]:
        """All that do the task, busy or not."""
        return [one.worker_id for one in self.pool.workers if one.task == self._task]

    def recheck(self) -> None:
        """Look at everybody once more, as if all had given a slot back."""
        for worker in self.pool.workers:
            self.freed(worker.worker_id)

    def if_all_aside(self, running: Running) -> list[RoutableWorker]:
        """Those set aside that have a free slot, if there is nobody else at all."""
        able = [worker for worker in self.pool.workers if worker.task == self._task]
        if any(not self._aside(worker) for worker in able):
            return []
        return [worker for worker in able if _has_free(worker, running)]

    def _having_free(self, places: list[int], turn: int, running: Running) -> list[RoutableWorker]:
        """Those with a free slot; of a long list a few by dice, and all only if dice fail."""
        if len(places) > _LOOKED_AT_MAX:
            found: dict[int, RoutableWorker] = {}
            dice = scrambled(turn)
            for _ in range(_LOOKED_AT_MAX):
                dice = next_dice(dice)
                place = places[(dice >> UPPER) % len(places)]
                worker = self.pool.workers[place]
                if self._at[place] != _OUT and _has_free(worker, running):
                    found[place] = worker
                    if len(found) == _ENOUGH:
                        return list(found.values())
        at, workers = self._at, self.pool.workers
        return [
            workers[place]
            for place in places
            if at[place] != _OUT and _has_free(workers[place], running)
        ]

    def _remove(self, spot: int) -> None:
        """Take out of ``free``; the last one moves to its place."""
        free = self.free
        self._at[free[spot]] = _OUT
        last = free.pop()
        if spot < len(free):
            free[spot] = last
            self._at[last] = spot


def _has_free(worker: RoutableWorker, running: Running) -> bool:
    return running.get(worker.worker_id, 0) < (worker.slots_total or SLOTS_WHEN_UNKNOWN)
