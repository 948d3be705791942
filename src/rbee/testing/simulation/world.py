"""What all parts of a simulated colony share: the dice, the scenario, and what was noted.

``Notes`` is the story so far: counts for the report, and every breach of a rule with
the virtual second in which it was seen.
"""

import asyncio
from collections import Counter
from random import Random
from typing import Final

import msgspec

from rbee.testing.simulation.network import Faults, Path
from rbee.testing.simulation.workers import MIB, Pace

WALL_AT_S: Final = 1_790_000_000.0  # what a simulated wall clock adds to the loop's seconds

BREACHES_MAX: Final = 50  # one fault is seen at every step; the first few tell all


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What is played. Counts are of the whole run, shares are of requests.

    ``kills`` are workers' processes; ``hive_crashes`` daemons that come back in
    seconds and find their workers; ``losses`` whole machines, workers included;
    ``partitions`` cut a hive and its workers from the queen; ``hangs`` are workers
    that stop in mid-answer and live on; ``stalls`` stop the queen's process for
    seconds; ``queen_kills`` end it and start another on the same store. ``loss`` is
    of packets.
    """

    seed: int
    requests: int = 200
    kills: int = 20
    hives: int = 6
    models: int = 3
    rooms: int = 2
    """How many workers fit into a hive."""
    replicas: int = 3
    """How many workers of each model the settings want, whether or not anybody waits."""
    slots: int = 4
    rate_per_s: float = 5.0
    hive_crashes: int = 1
    losses: int = 0
    partitions: int = 1
    hangs: int = 0
    stalls: int = 0
    queen_kills: int = 0
    loss: float = 0.01
    doubled: float = 0.02
    failing_loads: float = 0.02
    jobs: float = 0.1
    leavers: float = 0.05
    slow_readers: float = 0.02
    slow_hives: int = 1

    @property
    def roomy(self) -> bool:
        """Whether there is room for all models although a machine is away.

        And the queen is not stopped while she finds out, after a start, what there is.
        """
        spare = self.hives * self.rooms - self.models * self.replicas
        return spare > self.rooms and not (self.stalls and self.queen_kills)

    @property
    def lasts_s(self) -> float:
        """How long requests and faults keep coming."""
        return self.requests / self.rate_per_s


class Notes(msgspec.Struct, kw_only=True):
    """What happened. ``breaches`` are (virtual seconds, words)."""

    counts: Counter[str] = msgspec.field(default_factory=Counter[str])
    errors: Counter[str] = msgspec.field(default_factory=Counter[str])
    breaches: list[tuple[float, str]] = msgspec.field(default_factory=list[tuple[float, str]])

    def breach(self, words: str) -> None:
        """A rule is broken; the same words are kept once."""
        self.counts["breaches"] += 1
        known = any(words == before for _, before in self.breaches)
        if not known and len(self.breaches) < BREACHES_MAX:
            self.breaches.append((asyncio.get_running_loop().time(), words))


class World:
    """The surroundings' common ground. ``dice`` is the only source of chance."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.dice = Random(scenario.seed)  # noqa: S311  a story that can be told again
        self.notes = Notes()
        self.models = [f"model-{index}" for index in range(scenario.models)]
        self.pace = Pace()
        self.worker_bytes = 1_024 * MIB
        self.last_wanted: dict[str, float] = {}
        self._pids = 1_000

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        """A wall clock in step with the loop's."""
        return WALL_AT_S + self.now

    def pid(self) -> int:
        """A process id that nobody had."""
        self._pids += 1
        return self._pids

    def path(self) -> Path:
        """A way between the queen and a machine."""
        return Path(self.dice, Faults(loss=self.scenario.loss))
