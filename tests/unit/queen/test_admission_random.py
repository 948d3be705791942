"""Admission under made-up crowds: no slot is lost or given twice, none stays free while wanted.

Clients come, leave, are answered; workers come, die and change their slots, in an
order that a seed decides. A failing seed stands in the test's name.
"""

import asyncio
import random
from collections import Counter

import msgspec
import pytest

from rbee.contracts.principals import Principal
from rbee.contracts.workers import WorkerStats
from rbee.errors import QueueFull, WorkerNotFound
from rbee.queen.inference.admission import Admission, Grant, Limits
from rbee.queen.inference.call import Call
from rbee.queen.inference.routing import slots_of
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.demand import Demand
from rbee.testing.raw_worker import beat, ready_worker
from rbee.testing.waiting import until
from unit.seeds import seeds

pytestmark = pytest.mark.anyio

STEPS = 150
MODELS = ("m", "n")
KEYS = [Principal(f"key:{name}", name) for name in "abc"]


class Crowd:
    """A colony, its clients, and what must hold after every step."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  a made-up load, nothing secret
        self.colony = Colony()
        self.demand = Demand()
        limits = Limits(waiting_per_model_max=12, waiting_max=20)
        self.admission = Admission(self.colony, self.demand, limits)
        self.workers = {
            f"w{number}": ready_worker(f"w{number}", 9000 + number, model=MODELS[number % 2])
            for number in range(4)
        }
        self.waiting: dict[asyncio.Task[Grant], Call] = {}
        self.granted: list[Grant] = []
        self.now = 1.0
        self.beat()

    def beat(self) -> None:
        self.now += 1.0
        self.colony.beat(beat(list(self.workers.values()), at=self.now), self.now)

    def come(self) -> None:
        named = self.chance.random() < 0.3
        call = Call(
            job_id="job",
            model=self.chance.choice(MODELS),
            path="/v1/completions",
            body=b"{}",
            stream=True,
            principal=self.chance.choice(KEYS),
            priority=self.chance.choice([-10, 0, 0, 10]),
            worker_id=self.chance.choice(list(self.workers)) if named else None,
            hive_id=self.chance.choice(["hive", "other", None]),
        )
        again = self.chance.random() < 0.1
        self.waiting[asyncio.create_task(self.admission.admit(call, again=again))] = call

    def leave(self) -> None:
        if self.waiting:
            self.chance.choice(list(self.waiting)).cancel()

    def answer(self) -> None:
        if self.granted:
            self.granted.pop(self.chance.randrange(len(self.granted))).release()

    def change_worker(self) -> None:
        worker_id = self.chance.choice(list(self.workers))
        worker: WorkerStats = self.workers[worker_id]
        if self.chance.random() < 0.3:
            self.colony.mark_dead(worker_id, worker.generation)
            worker = msgspec.structs.replace(worker, generation=worker.generation + 1)
        slots = self.chance.randint(1, 3)
        self.workers[worker_id] = msgspec.structs.replace(worker, slots_total=slots)
        self.beat()

    async def settle(self) -> None:
        """Let everything that was set off happen: changes are gathered for some milliseconds."""
        await asyncio.sleep(0)
        await until(lambda: self._told() and not self._due())
        for task in [task for task in self.waiting if task.done()]:
            del self.waiting[task]
            if not task.cancelled() and task.exception() is None:
                self.granted.append(task.result())
            elif not task.cancelled():
                assert isinstance(task.exception(), QueueFull | WorkerNotFound)

    def _told(self) -> bool:
        """Whether everybody who is no longer in line knows it."""
        return self.demand.total == sum(not task.done() for task in self.waiting)

    def _due(self) -> list[Call]:
        """Those who wait although a worker that may serve them has a free slot, or who left."""
        busy = self.admission.running
        return [
            call
            for task, call in self.waiting.items()
            if not task.done()
            and (
                task.cancelling()
                or any(
                    busy.get(worker.worker_id, 0) < slots_of(worker)
                    and call.worker_id in {None, worker.worker_id}
                    for worker in self.colony.serving(call.model)
                )
            )
        ]

    def check(self) -> None:
        held = Counter(grant.worker.worker_id for grant in self.granted)
        assert held == self.admission.running
        assert self.admission.idle.is_set() == (not held)
        assert self.demand.total == len(self.waiting)
        assert self.demand.held == Counter(call.principal.id for call in self.waiting.values())


@pytest.mark.parametrize("seed", seeds(2, of=24))
async def test_no_slot_is_lost_doubled_or_left_free(seed: int) -> None:
    crowd = Crowd(seed)
    steps = [*[crowd.come] * 5, crowd.leave, crowd.answer, crowd.answer]
    for _ in range(STEPS):
        crowd.chance.choice([*steps, crowd.change_worker])()
        if crowd.chance.random() < 0.5:  # else several things happen in one turn of the loop
            await crowd.settle()
            crowd.check()
    while crowd.waiting or crowd.granted:
        await crowd.settle()
        crowd.answer()
    crowd.check()
