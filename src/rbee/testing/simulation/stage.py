"""The whole colony in one place: hives, the queen of the moment, the clients, the end.

``drill`` asks it to ``play`` and reads what came of it.
"""

import asyncio
import re
from collections import Counter
from typing import Any, Final

from rbee.contracts.hives import Heartbeat, HeartbeatAck
from rbee.errors import RbeeError
from rbee.testing.simulation.clients import Ask, Client, asks, judged_job
from rbee.testing.simulation.commands import Commands
from rbee.testing.simulation.disk import Disk
from rbee.testing.simulation.hives import Hive
from rbee.testing.simulation.queen import Parts, Queen
from rbee.testing.simulation.rules import LOOK_EVERY_S, Rules, leaked, watched
from rbee.testing.simulation.troubles import Troublemaker
from rbee.testing.simulation.world import Scenario, World

SETTLE_S: Final = 5.0  # the quiet time and two beats: the hives are known
PATIENCE_S: Final = 1_000.0  # the longest wait is 300 s, a hung worker takes 60 s, three times
NEVER_TRUE: Final = ("told: no_capacity: No hive", "told: model_not_found", "told: out_of_memory")
"""Of a colony with all models on all hives, and more room than is ever away at once."""

_NUMBERS: Final = re.compile(r"hive-\d+\S*|\d+")

SLOWNESS: Final = 3.0  # of a slow machine


class Stage:
    """The colony, its clients, and who troubles them."""

    def __init__(self, scenario: Scenario, parts: Parts | None = None) -> None:
        self.world = World(scenario)
        self.clients: list[Client] = []
        self.jobs: dict[str, Ask] = {}
        self._parts = parts or Parts()
        self._disk = Disk()
        self._hives: dict[str, Hive] = {}
        self._rules = Rules(self.world, self._hives)
        self._front = self.world.path()
        self._refused: Counter[str] = Counter()
        self._posting: set[asyncio.Task[None]] = set()
        for number in range(scenario.hives):
            hive = self._parts.hive(self.world, number, self._beat, self._rules.refused_for_memory)
            hive.slowness = SLOWNESS if number < scenario.slow_hives else 1.0
            self._hives[hive.address] = hive
        self._commands = Commands(self.world, self._hives, self._rules.spawn_ordered)
        self.queen = self._new_queen()

    # ── the play ──────────────────────────────────────────────────────────────

    def start(self) -> None:
        """The hives start; from now on no error is nobody's."""
        asyncio.get_running_loop().set_exception_handler(self._unforeseen)
        for hive in self._hives.values():
            hive.start()

    def admit(self, client: Client) -> None:
        """A client connects to the queen of the moment."""
        self.queen.accept(client, self._front)

    async def play(self) -> None:
        """All of it, until the last request has ended or time is up."""
        self.start()
        looking = asyncio.create_task(self._look())
        await asyncio.sleep(SETTLE_S)
        troubles = Troublemaker(self.world, list(self._hives.values()), self.restart_queen)
        troubling = asyncio.create_task(troubles.run())
        await self._arrivals()
        await troubling
        await self._ends()
        looking.cancel()
        await asyncio.gather(looking, *self._posting, return_exceptions=True)
        self._rules.at_the_end(self.queen)
        self._judge()

    async def restart_queen(self) -> None:
        """Kill her, and start another on the same disk at once."""
        self._rules.queen_died()
        for client in self.clients:
            client.queen_killed |= client.verdict is None
        dead, posting = self.queen, self._posting
        dead.die()
        self._tally()
        self.queen, self._posting = self._new_queen(), set()
        for task in posting:  # their connection broke with her
            task.cancel()
        await asyncio.gather(*posting, return_exceptions=True)
        await dead.end()

    async def take_apart(self) -> None:
        """End everything; what lives on then was leaked."""
        self._tally()
        await self.queen.end()
        for hive in self._hives.values():
            await hive.end()
        await asyncio.sleep(1.0)  # connections say good-bye
        me = asyncio.current_task()
        for name in leaked(set() if me is None else {me}):
            self.world.notes.breach(f"a task was leaked: {name}")

    def verdicts(self) -> Counter[str]:
        """How requests and jobs ended."""
        found = Counter(_short(client.verdict or "lost") for client in self.clients)
        for job_id, ask in self.jobs.items():
            found[f"job {_short(self._verdict_of(job_id, ask))}"] += 1
        return found + self._refused

    # ── inside ────────────────────────────────────────────────────────────────

    def _new_queen(self) -> Queen:
        queen = Queen(
            self.world,
            self._hives,
            self._disk,
            self._commands,
            self._parts,
            watched(self.world, self._parts.router),
        )
        queen.demand.subscribe(lambda: self._rules.wanted(queen))
        queen.colony.subscribe(lambda: self._rules.wanted(queen))
        return queen

    def _beat(self, heartbeat: Heartbeat) -> HeartbeatAck | None:
        return self.queen.beat(heartbeat)

    def _unforeseen(self, _loop: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
        self.world.notes.breach(f"nobody took an error: {what.get('exception') or what}")

    async def _look(self) -> None:
        while True:
            self._rules.look(self.queen)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _arrivals(self) -> None:
        began = self.world.now
        for ask in asks(self.world):
            await asyncio.sleep(max(0.0, began + ask.at_s - self.world.now))
            if ask.job:
                task = asyncio.create_task(self._post(ask))
                self._posting.add(task)
                task.add_done_callback(self._posting.discard)
            else:
                client = Client(self.world, ask)
                self.clients.append(client)
                self.admit(client)

    async def _post(self, ask: Ask) -> None:
        try:
            job = await self.queen.submit(ask.operation)
        except RbeeError as error:
            self._refused[f"job refused: {error.code}"] += 1
        else:
            self.jobs[job.id] = ask

    async def _ends(self) -> None:
        """Return when nobody waits any more."""
        give_up_at = self.world.now + PATIENCE_S
        while self.world.now < give_up_at:
            waiting = any(client.verdict is None for client in self.clients)
            if not (waiting or self._posting or any(map(self._is_open, self._disk.rows))):
                return
            await asyncio.sleep(1.0)

    def _is_open(self, job_id: str) -> bool:
        return self._disk.ends[job_id] == 0

    def _judge(self) -> None:
        notes = self.world.notes
        for client in self.clients:
            if client.verdict is None:
                notes.breach(f"request {client.ask.number} was lost: it never ended")
            elif self.world.scenario.roomy and client.verdict.startswith(NEVER_TRUE):
                notes.breach(f"request {client.ask.number} was {_short(client.verdict)}")
        for job_id, ask in self.jobs.items():
            verdict = self._verdict_of(job_id, ask)
            if verdict != "whole" and not verdict.startswith("told: "):
                notes.breach(f"job {ask.number}: {verdict}")
        for job_id in self._disk.rows:
            if self._disk.ends[job_id] != 1:
                notes.breach(f"{job_id} ended {self._disk.ends[job_id]} times")

    def _verdict_of(self, job_id: str, ask: Ask) -> str:
        row = self._disk.rows.get(job_id)
        if row is None:
            return "lost: it was accepted and is not kept"
        return judged_job(ask, row, self._disk.events[job_id], self._disk.ends[job_id])

    def _tally(self) -> None:
        """Add up what this life of the queen counted."""
        counts, tally = self.world.notes.counts, self.queen.tally
        for (_, ok), count in tally.continued_streams.items():
            counts["continued" if ok else "not continued"] += count
        counts["retried"] += sum(tally.retries.values())
        counts["evicted"] += sum(tally.evictions.counts.values())


def _short(verdict: str) -> str:
    """A verdict without its details, for counting."""
    if verdict.startswith("told: "):
        return _NUMBERS.sub("…", verdict).partition(" Try again")[0]
    return verdict.partition(":")[0]
