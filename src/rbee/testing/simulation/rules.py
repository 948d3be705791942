"""What must hold, looked at after every step: the rules of a colony.

``Rules.look`` runs every tenth of a virtual second and whenever something happens that
the simulation itself does; ``WatchedRouter`` looks at every single decision in the
moment in which it is taken; ``at_the_end`` looks at what must be left of it all.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from rbee.contracts.jobs import WorkerSpawn
from rbee.contracts.workers import SERVING
from rbee.queen.inference.call import Call
from rbee.queen.inference.candidates import Running
from rbee.queen.inference.router import Router
from rbee.queen.inference.routing import Choice
from rbee.queen.registry.colony import Colony
from rbee.testing.simulation.hives import Hive
from rbee.testing.simulation.queen import Clock, Queen
from rbee.testing.simulation.world import Notes, World

LOOK_EVERY_S: Final = 0.1  # between events; nothing in the colony changes faster by itself
WANTED_WITHIN_S: Final = 2.0  # between a decision to spawn and its command: a client may leave
FORGIVEN_S: Final = 90.0
"""Who lost a command's answer, or a hive, cannot know what became of it: for so long
afterwards a second spawn, or one without room, is no fault of hers. It covers the 30 s of
a lost answer, and the 60 s after which a silent hive is forgotten."""


class Rules:
    """The looks, and the notes that they are written into."""

    def __init__(self, world: World, hives: dict[str, Hive]) -> None:
        self._world = world
        self._hives = hives
        self._queen_died_at = float("-inf")
        self._queen: Queen | None = None

    def queen_died(self) -> None:
        """What an earlier life of hers had ordered, the next one has to find out."""
        self._queen_died_at = self._world.now

    def look(self, queen: Queen) -> None:
        """Everything that must hold at any moment."""
        notes = self._world.notes
        for hive in self._hives.values():
            if hive.held_bytes > hive.total_bytes:
                notes.breach(f"the memory of {hive.id} is oversubscribed")
        slots = self._world.scenario.slots
        for worker_id, count in queen.admission.running.items():
            if not 0 < count <= slots:
                notes.breach(f"{worker_id} has {count} requests in {slots} slots")
        self.wanted(queen)
        if queen.fault is not None:
            notes.breach(f"a loop of the queen ended: {queen.fault!r}")

    def wanted(self, queen: Queen) -> None:
        """Note which models are wanted: somebody waits, or the settings want more workers."""
        self._queen = queen
        models = set(queen.demand.models())
        for model in self._world.models:
            there = len(queen.colony.serving(model)) + queen.colony.coming(model, "generate")
            if model in models or there < self._world.scenario.replicas:
                self._world.last_wanted[model] = self._world.now

    def spawn_ordered(self, hive: Hive, asked: WorkerSpawn) -> None:
        """The queen's command to spawn leaves her."""
        notes, now = self._world.notes, self._world.now
        notes.counts["spawns ordered"] += 1
        if self._queen is not None:
            self.wanted(self._queen)
        wanted_at = self._world.last_wanted.get(asked.model, float("-inf"))
        if now - wanted_at > WANTED_WITHIN_S:
            notes.breach(f"{asked.model} is spawned and nobody wants it")
        if self._forgiven(hive):
            return
        for other in self._hives.values():
            for worker in other.workers.values():
                first = worker.generation == 1 and worker.status == "starting"
                if first and worker.model == asked.model and not self._forgiven(other):
                    notes.breach(f"{asked.model} is spawned while {worker.worker_id} starts")

    def refused_for_memory(self, hive: Hive) -> None:
        """A hive had no room for what the queen ordered."""
        if not self._forgiven(hive):
            self._world.notes.breach(f"a worker was ordered that {hive.id} has no room for")

    def _forgiven(self, hive: Hive) -> bool:
        since = max(hive.blemished_at, self._queen_died_at)
        return self._world.now - since < FORGIVEN_S

    def at_the_end(self, queen: Queen) -> None:
        """All requests are over: nothing of them may be left."""
        notes = self._world.notes
        if queen.admission.running:
            notes.breach(f"slots are still held: {dict(queen.admission.running)}")
        if queen.demand.total:
            notes.breach(f"{queen.demand.total} requests still wait")


def leaked(allowed: set["asyncio.Task[object]"]) -> list[str]:
    """Tasks that nobody ended."""
    return sorted(repr(task.get_coro()) for task in asyncio.all_tasks() - allowed)


def watched(world: World, kind: type[Router]) -> Callable[[Colony, Clock], Router]:
    """Makes routers of a kind, each decision of which is looked at."""

    class WatchedRouter(kind):  # pyright: ignore[reportGeneralTypeIssues,reportUntypedBaseClass]  known when called
        def __init__(self, colony: Colony, clock: Clock) -> None:
            super().__init__(colony, clock=clock)
            self._seen = colony

        def choose(self, model: str, call: Call, running: Running) -> Choice | None:
            """The decision, and whether it may be."""
            choice = super().choose(model, call, running)
            if choice is not None:
                _judge(world.notes, self._seen, choice, running, world.scenario.slots)
            return choice

    return WatchedRouter


def _judge(notes: Notes, colony: Colony, choice: Choice, running: Running, slots: int) -> None:
    worker_id = choice.worker.worker_id
    if running.get(worker_id, 0) >= slots:
        notes.breach(f"{worker_id} was chosen and has no free slot")
    for _, entry in colony.workers():
        if entry.stats.worker_id != worker_id:
            continue
        if entry.leaving or entry.stats.status not in SERVING:
            notes.breach(f"{worker_id} was chosen and is draining")
        if entry.death is not None:
            notes.breach(f"{worker_id} was chosen and is dead")
