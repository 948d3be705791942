"""Models that compete for one place: few swaps, and nobody waits for ever. Virtual time.

A small world of its own: one device with room for one model, one queue per model. Who
swaps is decided by the real ``decide``; the world carries it out in whole steps of time.
"""

import random
from collections import Counter

import msgspec
import pytest

from rbee.queen.placement_settings import PlacementSettings
from rbee.queen.scheduling.decisions import MakeRoom, Spawn, Supply, World, decide
from rbee.queen.scheduling.demand import Wanted
from rbee.queen.scheduling.eviction import Standing
from rbee.queen.scheduling.options import Policy
from rbee.queen.scheduling.troubles import Troubles
from rbee.queen.scheduling.turns import Turn, is_over
from unit.queen.views import GIB, a_hive, a_model, a_worker
from unit.seeds import seeds

STEP_S = 0.1
SLOTS = 4
LOAD_S = 5.0
SERVICE_S = 1.0
SETTINGS = PlacementSettings()


class OnePlace:
    """A device with room for one of several models, and those who wait for them."""

    def __init__(self, models: int) -> None:
        self.names = [f"m{index}" for index in range(models)]
        self.now = 0.0
        self.queues: dict[str, list[float]] = {name: [] for name in self.names}
        self.loaded: str | None = None
        self.ready_at = 0.0
        self.next: str | None = None
        self.draining = False
        self.running: list[float] = []
        self.worked_at = 0.0
        self.loads: Counter[str] = Counter()
        self.waits: list[float] = []

    def arrive(self, model: str) -> None:
        self.queues[model].append(self.now)

    def run(self, until_s: float) -> None:
        while self.now < until_s:
            self.step()

    def step(self) -> None:
        self._serve()
        self._decide()
        self._swap()
        self.now += STEP_S

    @property
    def idle(self) -> bool:
        return not self.running and not any(self.queues.values())

    def _is_ready(self) -> bool:
        return self.loaded is not None and self.now >= self.ready_at

    def _serve(self) -> None:
        self.running = [end for end in self.running if end > self.now]
        if not self._is_ready() or self.loaded is None:
            return
        queue = self.queues[self.loaded]
        while not self.draining and queue and len(self.running) < SLOTS:
            self.waits.append(self.now - queue.pop(0))
            self.running.append(self.now + SERVICE_S)
        if self.running:
            self.worked_at = self.now

    def _decide(self) -> None:
        rows = [
            Wanted(model=name, waiting=len(queue), oldest_since=queue[0], hive_id=None)
            for name, queue in self.queues.items()
            if queue
        ]
        rows.sort(key=lambda row: row.oldest_since)
        for action in decide(rows, self._world()):
            match action:
                case Spawn(model=model):
                    self.next = model
                case MakeRoom(model=model, victims=victims):
                    assert [one.model for one in victims] == [self.loaded]
                    assert self._is_ready()
                    self.next, self.draining = model, True
                case _:
                    pass

    def _swap(self) -> None:
        if self.next is None or self.running:
            return
        self.loaded, self.next, self.draining = self.next, None, False
        self.loads[self.loaded] += 1
        self.ready_at = self.worked_at = self.now + LOAD_S

    def _world(self) -> World:
        workers = []
        if self.loaded is not None:
            status = "draining" if self.draining else "ready" if self._is_ready() else "starting"
            workers = [a_worker(self.loaded, "w", status=status)]
        hive = a_hive(
            models=[a_model(name, size_bytes=8 * GIB, load_s=LOAD_S) for name in self.names],
            workers=workers,
            free_mb=16_000.0,
        )
        waiting = {name: queue[0] for name, queue in self.queues.items() if queue}
        standing = Standing(
            in_use=bool(self.running) or self.loaded in waiting,
            idle_s=self.now - self.worked_at,
            serving_s=max(0.0, self.now - self.ready_at),
            load_s=LOAD_S,
            spare=1,
        )
        return World(
            hives=[hive],
            policy=Policy(settings=SETTINGS),
            supply=self._supply,
            spawning=set() if self.next is None else {self.next},
            troubles=Troubles(),
            standing=lambda _hive, _worker: standing,
            oldest_waiting=waiting.get,
            now=self.now,
        )

    def _supply(self, model: str) -> Supply:
        mine = model == self.loaded and not self.draining
        return Supply(int(mine and self._is_ready()), int(mine and not self._is_ready()))


@pytest.mark.parametrize("models", [3, 5])
@pytest.mark.parametrize("seed", seeds(2, of=5))
def test_a_shuffled_burst_over_k_models_costs_k_loads(models: int, seed: int) -> None:
    world = OnePlace(models)
    order = [world.names[index % models] for index in range(100)]
    random.Random(seed).shuffle(order)  # noqa: S311  a repeatable shuffle
    for model in order:
        world.arrive(model)
    while not world.idle:
        world.step()
        assert world.now < 1000
    assert sum(world.loads.values()) <= models + 1
    assert len(world.waits) == 100


@pytest.mark.parametrize("models", [3, 5])
def test_a_burst_that_trickles_in_over_a_hold_costs_hardly_more(models: int) -> None:
    world = OnePlace(models)
    order = [world.names[index % models] for index in range(100)]
    random.Random(7).shuffle(order)  # noqa: S311  a repeatable shuffle
    for model in order:
        world.arrive(model)
        world.run(world.now + 0.15)
    while not world.idle:
        world.step()
        assert world.now < 1000
    assert sum(world.loads.values()) <= models + 1
    assert len(world.waits) == 100


def test_a_steady_stream_for_one_model_does_not_starve_another() -> None:
    world = OnePlace(2)
    world.arrive("m0")
    world.run(LOAD_S + 1)
    world.arrive("m1")
    asked_at = world.now
    while world.loads["m1"] == 0:
        world.arrive("m0")  # ten a second: more than four slots of a second each can do
        world.step()
        assert world.now < asked_at + SETTINGS.hold_max_s + 5
    assert world.now >= asked_at + SETTINGS.hold_s - 1


@pytest.mark.parametrize("models", [2, 3])
@pytest.mark.parametrize("lasting_s", [180, pytest.param(400, marks=pytest.mark.thorough)])
def test_under_lasting_overload_loading_stays_the_smaller_part(
    models: int, lasting_s: float
) -> None:
    world = OnePlace(models)
    chance = random.Random(1)  # noqa: S311  repeatable arrivals
    while world.now < lasting_s:
        if chance.random() < 0.6:
            world.arrive(chance.choice(world.names))
        world.step()
    loads = sum(world.loads.values())
    assert loads * LOAD_S < 0.3 * world.now
    assert min(world.loads[name] for name in world.names) >= 2


def test_the_rule_in_numbers() -> None:
    def over(serving_s: float, since: float, oldest: float | None, load_s: float = 1.0) -> bool:
        return is_over(
            Turn(serving_s=serving_s, oldest_waiting=oldest),
            waiting_since=since,
            load_s=load_s,
            settings=SETTINGS,
            now=1000.0,
        )

    assert not over(500.0, 990.0, None)  # has waited for ten seconds
    assert over(500.0, 975.0, None)
    assert not over(5.0, 900.0, None)  # the turn has only just begun
    assert not over(30.0, 970.0, 985.0)  # he came within the hold
    assert over(30.0, 970.0, 995.0)
    assert over(100.0, 900.0, 850.0)  # the longest hold ends any queue
    assert not over(30.0, 970.0, None, load_s=10.0)  # a long load makes a long turn


def test_settings_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="hold_max_s"):
        msgspec.structs.replace(SETTINGS, hold_max_s=1.0).__post_init__()
