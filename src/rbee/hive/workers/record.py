"""One worker in the supervisor's memory, and how it is shown to others.

``Worker.state`` is what is written down; the rest is of this hive's life only.
Changed by the supervisor's loop alone, read by anyone in the same event loop.
"""

import time

from rbee.contracts.ids import WorkerId
from rbee.contracts.workers import WorkerStats
from rbee.errors import RbeeError
from rbee.hive.engines.engine import Engine, Outside, Reading
from rbee.hive.workers.launching import Running
from rbee.hive.workers.life import Life
from rbee.hive.workers.probe import Target
from rbee.hive.workers.state import WorkerState
from rbee.hive.workers.vitals import Usage


def _slots_total(reading: Reading, state: WorkerState) -> int | None:
    """What it says itself; an engine that only tells how many run has as many as it was given."""
    if reading.slots_total is None and reading.slots_busy is not None:
        return state.spec.slots
    return reading.slots_total


def _counts(now: Reading, before: Reading) -> bool:
    """Whether its counters say that it did something between two looks."""
    return (now.requests_total, now.tokens_total, now.steps) != (
        before.requests_total,
        before.tokens_total,
        before.steps,
    )


def _idle_s(worked_at_s: float | None, reading: Reading, now_s: float) -> float | None:
    if worked_at_s is None or reading.slots_busy != 0:
        return None
    return round(now_s - worked_at_s, 1)


class Worker:
    """A worker: its state, its processes, its last look, its tasks' scope."""

    def __init__(self, state: WorkerState, key: str, engine: Engine) -> None:
        self.state = state
        self.key = key
        self.engine = engine
        self.running: Running | None = None
        self.failure: RbeeError | None = None
        self.hung: str | None = None
        self.again = False
        """A person wants it to start anew when it has ended."""
        self.outside: Outside | None = None
        self.reading = Reading()
        self.usage = Usage()
        self.tokens_per_s: float | None = None
        self.worked_at_s: float | None = None
        """When it was last seen at work, monotonic seconds; None: its slots are not known."""
        self.backoff_s = 0.0
        self.life = Life()

    @property
    def id(self) -> WorkerId:
        """The id that it keeps for life."""
        return self.state.worker_id

    def target(self) -> Target:
        """Where and how to look at it."""
        state = self.state
        return Target(
            host=state.host,
            port=state.port,
            key=self.key,
            model=state.spec.model,
            task=state.spec.task,
            face=self.engine.face,
        )

    def end_life(self) -> None:
        """End this generation's tasks and forget what they saw; the next one's may begin."""
        self.life.end()
        self.life = Life()
        self.reading, self.usage, self.tokens_per_s = Reading(), Usage(), None
        self.worked_at_s = None

    def next_generation(self) -> None:
        """Be another process from now on, which has not begun yet."""
        state = self.state
        self.end_life()
        state.generation += 1
        state.restarts += 1
        state.ready_at = state.load_s = state.started_at = None
        state.shim = state.engine = None

    def forgive(self) -> None:
        """A person restarts it: its deaths are not held against what comes next."""
        state = self.state
        self.again, self.failure, self.hung, self.backoff_s = False, None, None, 0.0
        state.status, state.reason, state.deaths, state.hangs = "stopped", None, [], []
        state.restarts = -1  # the generation that begins now is no restart after a death

    def look(self, reading: Reading, now_s: float) -> None:
        """Take in what it says of itself; ``now_s`` is monotonic.

        Work shorter than the time between two looks shows in what it counts.
        """
        if reading.slots_busy is None:
            self.worked_at_s = None
        elif self.worked_at_s is None or reading.slots_busy or _counts(reading, self.reading):
            self.worked_at_s = now_s
        self.reading = reading

    def stats(self, now: float) -> WorkerStats:
        """What beats and listings say of it; ``now`` is Unix seconds."""
        state, reading, usage = self.state, self.reading, self.usage
        alive = self.running is not None
        return WorkerStats(
            worker_id=state.worker_id,
            model=state.spec.model,
            engine=state.spec.engine,
            task=state.spec.task,
            status=state.status,
            port=state.port,
            device=",".join(state.spec.device_ids),
            address=state.host,
            pid=self.running.engine.pid if self.running else None,
            generation=state.generation,
            restarts=state.restarts,
            slots_total=_slots_total(reading, state),
            slots_busy=reading.slots_busy,
            queued=reading.queued,
            cpu_pct=usage.cpu_pct,
            rss_mb=usage.rss_mb,
            io_r_mb_s=usage.io_r_mb_s,
            io_w_mb_s=usage.io_w_mb_s,
            uptime_s=round(now - state.started_at, 1) if alive and state.started_at else None,
            tokens_per_s=self.tokens_per_s,
            requests_total=reading.requests_total,
            context_length=state.spec.context_tokens,
            unary_cancel=self.engine.unary_cancel,
            manual=state.manual,
            load_s=state.load_s,
            idle_s=_idle_s(self.worked_at_s, reading, time.monotonic()),
            reason=state.reason,
            tls_port=state.port if state.outside is not None else None,
        )
