"""Who makes the trouble: kills, crashes, losses, cuts, drawn beforehand and struck in time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from rbee.testing.simulation.clock import VirtualLoop
from rbee.testing.simulation.hives import Hive
from rbee.testing.simulation.workers import Worker
from rbee.testing.simulation.world import World

AGAIN_S: Final = 0.3  # when nobody is there to be struck: a worker is back in seconds
PAUSE_SHARE: Final = 0.2  # of the mean time between two strikes
BUSY_SHARE: Final = 0.8  # most kills strike a worker in the middle of an answer

_AWAY_S: Final = (0.5, 8.0)  # a daemon's restart
_DARK_S: Final = (5.0, 90.0)  # a machine's; longer than a silent hive is remembered
_CUT_S: Final = (1.0, 25.0)
_HUNG_S: Final = (70.0, 100.0)  # longer than the queen's patience with a silent worker
_STALL_S: Final = (0.5, 4.0)

Strike = Callable[[], Awaitable[bool] | bool]
"""Does it, or says that there is nothing to strike now."""


class Troublemaker:
    """Plays the scenario's faults, spread over the time in which requests come."""

    def __init__(
        self, world: World, hives: list[Hive], restart_queen: Callable[[], Awaitable[None]]
    ) -> None:
        self._world = world
        self._hives = hives
        self._restart_queen = restart_queen
        self._returns: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """All faults, and the return of what went away."""
        began, lasts_s = self._world.now, self._world.scenario.lasts_s
        rows = self._schedule()
        pause_s = PAUSE_SHARE * lasts_s / max(1, len(rows))
        for at_s, name, strike in rows:
            # Who was late does not catch up by striking everybody at once.
            await asyncio.sleep(max(pause_s, began + at_s - self._world.now))
            while self._world.now - began < lasts_s:
                done = strike()
                if done if isinstance(done, bool) else await done:
                    self._world.notes.counts[name] += 1
                    break
                await asyncio.sleep(AGAIN_S)
        await asyncio.gather(*self._returns)

    def _schedule(self) -> list[tuple[float, str, Strike]]:
        scenario, dice = self._world.scenario, self._world.dice
        kinds: list[tuple[str, int, Strike]] = [
            ("workers killed", scenario.kills, self._kill),
            ("hives crashed", scenario.hive_crashes, self._crash),
            ("machines lost", scenario.losses, self._lose),
            ("partitions", scenario.partitions, self._cut),
            ("workers hung", scenario.hangs, self._hang),
            ("queen stalled", scenario.stalls, self._stall),
            ("queens killed", scenario.queen_kills, self._kill_queen),
        ]
        drawn = [
            (dice.uniform(0.0, scenario.lasts_s), name, strike)
            for name, count, strike in kinds
            for _ in range(count)
        ]
        return sorted(drawn, key=lambda row: row[0])

    # ── strikes ───────────────────────────────────────────────────────────────

    def _kill(self) -> bool:
        found = self._victim()
        if found is None:
            return False
        hive, worker = found
        hive.kill(worker)
        return True

    def _hang(self) -> bool:
        found = self._victim()
        if found is None:
            return False
        hive, worker = found
        worker.hung = True
        self._later(self._world.dice.uniform(*_HUNG_S), lambda: hive.kill(worker))
        return True

    def _victim(self) -> tuple[Hive, Worker] | None:
        dice = self._world.dice
        living = [
            (hive, worker)
            for hive in self._hives
            for worker in hive.workers.values()
            if worker.alive and not worker.hung and worker.status in {"ready", "busy"}
        ]
        busy = [(hive, worker) for hive, worker in living if worker.at_work]
        if busy and dice.random() < BUSY_SHARE:
            living = busy
        return dice.choice(living) if living else None

    def _crash(self) -> bool:
        hive = self._one_up()
        if hive is not None:
            hive.crash()
            self._later(self._world.dice.uniform(*_AWAY_S), hive.start)
        return hive is not None

    def _lose(self) -> bool:
        hive = self._one_up()
        if hive is not None:
            hive.lose_power()
            self._later(self._world.dice.uniform(*_DARK_S), hive.start)
        return hive is not None

    def _cut(self) -> bool:
        hive = self._one_up()
        if hive is not None:
            until = self._world.now + self._world.dice.uniform(*_CUT_S)
            hive.path.block(until)
            hive.blemished_at = until
        return hive is not None

    def _stall(self) -> bool:
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop):
            loop.stall(self._world.dice.uniform(*_STALL_S))
        return True

    async def _kill_queen(self) -> bool:
        await self._restart_queen()
        return True

    def _one_up(self) -> Hive | None:
        up = [hive for hive in self._hives if hive.up and not hive.path.blocked(self._world.now)]
        return self._world.dice.choice(up) if len(up) > 1 else None

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(delay_s)
            act()

        task = asyncio.create_task(wait())
        self._returns.add(task)
        task.add_done_callback(self._returns.discard)
