"""Workers that failed several times in a row are set aside for a while, and tried again.

A circuit has three states, as a table:

    closed     → open       after ``FAILURES_MAX`` failures in a row
    open       → half open  when its pause is over; the pause doubles each time
    half open  → closed     the one request that was let through went well
    half open  → open       it failed

It counts what a worker said (an engine's error, silence in mid-answer); a process
that refuses connections is the registry's affair. Unknown is not dead: a worker set
aside is still used when a model has no other, and a newer process starts with a
clean sheet.
"""

from typing import Final

import msgspec

from rbee.queen.registry.workers import RoutableWorker

FAILURES_MAX: Final = 5  # in a row: a bad request or two from one client stays below
PAUSE_FIRST_S: Final = 1.0  # an engine that was overloaded is often well again by then
PAUSE_MAX_S: Final = 30.0  # a repaired worker is noticed within half a minute
CIRCUITS_MAX: Final = 20_000  # workers with a failure; the oldest is forgotten
PROBE_MAX_S: Final = 60.0  # who let a probe through and never told its end is not waited for


class Circuit(msgspec.Struct, kw_only=True):
    """One worker's circuit. Times in seconds of the router's clock."""

    model: str
    generation: int
    failures: int = 0
    pause_s: float = 0.0  # 0: closed
    open_until: float = 0.0
    offered: bool = False  # half open, and the one request has not come yet
    probe_since: float | None = None

    @property
    def closed(self) -> bool:
        """Whether requests pass as usual."""
        return self.pause_s == 0.0

    def failed(self, now: float) -> None:
        """One more failure."""
        self.failures += 1
        if not self.closed:
            self._open(now, min(PAUSE_MAX_S, self.pause_s * 2))
        elif self.failures >= FAILURES_MAX:
            self._open(now, PAUSE_FIRST_S)

    def due_at(self) -> float:
        """When one request may be let through to see."""
        if self.offered:
            return float("inf")
        return self.open_until if self.probe_since is None else self.probe_since + PROBE_MAX_S

    def told(self, now: float) -> str:
        """The state in words."""
        left_s = max(0.0, self.open_until - now)
        then = f"tried again in {left_s:.0f} s" if left_s else "being tried again"
        return f"set aside after {self.failures} failures in a row, {then}"

    def _open(self, now: float, pause_s: float) -> None:
        self.pause_s = pause_s
        self.open_until = now + pause_s
        self.offered = False
        self.probe_since = None


class Breakers:
    """The circuits of all workers that failed lately."""

    __slots__ = ("_circuits", "_next_due", "_open")

    def __init__(self) -> None:
        self._circuits: dict[str, Circuit] = {}
        self._open: dict[str, Circuit] = {}
        self._next_due = float("inf")

    @property
    def any_open(self) -> bool:
        """Whether any worker is set aside; false at nearly all times."""
        return bool(self._open)

    def is_aside(self, worker: RoutableWorker) -> bool:
        """Whether this process gets nothing for now."""
        circuit = self._open.get(worker.worker_id) if self._open else None
        return (
            circuit is not None and circuit.generation == worker.generation and not circuit.offered
        )

    def failed(self, worker: RoutableWorker, now: float) -> bool:
        """One more failure; returns whether the worker is set aside."""
        circuit = self._circuits.pop(worker.worker_id, None)
        if circuit is None or circuit.generation != worker.generation:
            self._open.pop(worker.worker_id, None)
            circuit = Circuit(model=worker.model, generation=worker.generation)
        self._circuits[worker.worker_id] = circuit
        if len(self._circuits) > CIRCUITS_MAX:
            self.went_well(next(iter(self._circuits)))
        circuit.failed(now)
        if circuit.closed:
            return False
        self._open[worker.worker_id] = circuit
        self._plan()
        return True

    def went_well(self, worker_id: str) -> bool:
        """An answer without fault closes the circuit; returns whether it was open."""
        if not self._circuits or self._circuits.pop(worker_id, None) is None:
            return False
        if self._open.pop(worker_id, None) is None:
            return False
        self._plan()
        return True

    def due(self, now: float) -> list[tuple[str, str]]:
        """Workers, with their models, that one request each may try from now on."""
        if now < self._next_due:
            return []
        found: list[tuple[str, str]] = []
        for worker_id, circuit in self._open.items():
            if circuit.due_at() <= now:
                circuit.offered = True
                found.append((worker_id, circuit.model))
        self._plan()
        return found

    def taken(self, worker_id: str, now: float) -> bool:
        """A request was given to a worker: if it was set aside, that is its one try."""
        circuit = self._open.get(worker_id)
        if circuit is None:
            return False
        circuit.offered = False
        circuit.probe_since = now
        self._plan()
        return True

    def told(self, now: float) -> dict[str, str]:
        """Why workers are set aside, by worker id."""
        return {worker_id: circuit.told(now) for worker_id, circuit in self._open.items()}

    def _plan(self) -> None:
        self._next_due = min((one.due_at() for one in self._open.values()), default=float("inf"))
