"""The life of a worker, as a table. Everything that affects it is in this file.

A worker is a promise: "this model answers on this port". Its processes come and
go, the worker keeps its id; each process is one *generation* of it. ::

                     spawn
        stopped ───────────────▶ starting ◀──────────────┐
           ▲                        │ answered           │ crashed
           │ ended                  ▼        filled      │ or hung (within the budget)
        stopping ◀─── draining ◀── ready ───────────▶ busy
             drained        stop    ▲  └──────┬────────┘
                                    └─ freed ─┘
        spent or failed, from anywhere ──▶ error ── stop ──▶ stopped

- **starting**: a process is being started, loads its model, or waits out its
  backoff before the next try. It ends with ``answered``: one generated token,
  never a mere 200.
- **ready** and **busy** differ by free slots alone; both serve.
- **draining**: no new requests are sent here (the queen learns it with the next
  beat), the running ones go on. Then **stopping**: the process is told to end.
- **error** is final until a person or the queen stops the worker; it keeps its
  reason. A death that nobody wanted leads there only when the budget is spent
  or when starting again cannot help.

An event that a status has no row for is late news (an answer of a process that
was told to stop, a second stop): it changes nothing. ``step`` never raises.

The supervisor carries out the effects; nothing here knows how. ``RELEASE``
gives the port back; it comes with every arrival at ``stopped``. An arrival at
``error`` kills what may still run, and keeps the record.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Final

import msgspec

from rbee.contracts.exits import WorkerExit
from rbee.contracts.workers import WorkerStatus


class Event(Enum):
    """What can happen to a worker."""

    SPAWN = auto()
    """It is wanted."""
    FOUND_LOADING = auto()
    """A restarted hive found its process, which loads its model."""
    FOUND_READY = auto()
    """A restarted hive found its process, which answers."""
    ANSWERED = auto()
    """It generated its first token."""
    FILLED = auto()
    """No slot is free."""
    FREED = auto()
    """A slot is free again."""
    STOP = auto()
    """It is no longer wanted; running requests may end."""
    FORCE = auto()
    """It is no longer wanted, and it is to go now."""
    DRAINED = auto()
    """Its last request has ended, or the drain took too long."""
    CRASHED = auto()
    """Its process ended unasked, and the budget allows another."""
    HUNG = auto()
    """It answers, has work, and makes nothing of it."""
    SPENT = auto()
    """Its process ended unasked, and another one would not help."""
    FAILED = auto()
    """It runs and cannot be used: it never got ready in its time."""
    ENDED = auto()
    """Its process has ended, as it was told to."""


class Effect(Enum):
    """What the supervisor does about it."""

    LAUNCH = auto()
    """Start a process, after the backoff, and probe it until it answers."""
    PROBE = auto()
    """Probe a process that runs already until it answers."""
    ATTEND = auto()
    """Look at slots and metrics of a process that runs already."""
    DRAIN = auto()
    """Watch the slots until all are free."""
    TERMINATE = auto()
    """End the process and its whole tree."""
    KILL = auto()
    """End what may still run, without waiting."""
    RELEASE = auto()
    """Give the port back; the worker's record may be forgotten."""


class Step(msgspec.Struct, frozen=True):
    """Where an event leads, and what it causes."""

    status: WorkerStatus
    effects: tuple[Effect, ...] = ()


TABLE: Final[Mapping[tuple[WorkerStatus, Event], Step]] = {
    ("stopped", Event.SPAWN): Step("starting", (Effect.LAUNCH,)),
    ("stopped", Event.FOUND_LOADING): Step("starting", (Effect.PROBE,)),
    ("stopped", Event.FOUND_READY): Step("ready", (Effect.ATTEND,)),
    # the way up
    ("starting", Event.ANSWERED): Step("ready", (Effect.ATTEND,)),
    ("ready", Event.FILLED): Step("busy"),
    ("busy", Event.FREED): Step("ready"),
    # deaths that nobody wanted
    ("starting", Event.CRASHED): Step("starting", (Effect.LAUNCH,)),
    ("ready", Event.CRASHED): Step("starting", (Effect.LAUNCH,)),
    ("busy", Event.CRASHED): Step("starting", (Effect.LAUNCH,)),
    # a hang is made a death: it is ended, and its end is then judged as a crash is
    ("ready", Event.HUNG): Step("starting", (Effect.TERMINATE,)),
    ("busy", Event.HUNG): Step("starting", (Effect.TERMINATE,)),
    ("starting", Event.SPENT): Step("error", (Effect.KILL,)),
    ("ready", Event.SPENT): Step("error", (Effect.KILL,)),
    ("busy", Event.SPENT): Step("error", (Effect.KILL,)),
    ("starting", Event.FAILED): Step("error", (Effect.KILL,)),
    ("ready", Event.FAILED): Step("error", (Effect.KILL,)),
    ("busy", Event.FAILED): Step("error", (Effect.KILL,)),
    ("draining", Event.FAILED): Step("error", (Effect.KILL,)),
    ("stopping", Event.FAILED): Step("error", (Effect.KILL,)),
    # the way down; a worker that only starts has nothing to drain
    ("starting", Event.STOP): Step("stopping", (Effect.TERMINATE,)),
    ("ready", Event.STOP): Step("draining", (Effect.DRAIN,)),
    ("busy", Event.STOP): Step("draining", (Effect.DRAIN,)),
    ("starting", Event.FORCE): Step("stopping", (Effect.TERMINATE,)),
    ("ready", Event.FORCE): Step("stopping", (Effect.TERMINATE,)),
    ("busy", Event.FORCE): Step("stopping", (Effect.TERMINATE,)),
    ("draining", Event.FORCE): Step("stopping", (Effect.TERMINATE,)),
    ("draining", Event.DRAINED): Step("stopping", (Effect.TERMINATE,)),
    ("error", Event.STOP): Step("stopped", (Effect.RELEASE,)),
    ("error", Event.FORCE): Step("stopped", (Effect.RELEASE,)),
    # deaths on the way down are what was wanted
    ("draining", Event.ENDED): Step("stopped", (Effect.RELEASE,)),
    ("stopping", Event.ENDED): Step("stopped", (Effect.RELEASE,)),
}

LEAVING: Final[frozenset[WorkerStatus]] = frozenset({"draining", "stopping"})
"""Statuses in which a process's end is what was wanted."""

SETTLED: Final[frozenset[WorkerStatus]] = frozenset({"ready", "busy", "stopped", "error"})
"""Statuses in which nothing is under way that a spawn would wait for."""


def step(status: WorkerStatus, event: Event) -> Step:
    """Where ``event`` leads from ``status``; late news leads nowhere and causes nothing."""
    return TABLE.get((status, event), Step(status))


# ── the restart budget ───────────────────────────────────────────────────────

RESTARTS_MAX: Final = 3  # a fourth early death within the window is no accident
WINDOW_S: Final = 60.0  # three loads of a usual model and their backoff fit into it
EARLY_S: Final = 10.0  # a worker that served this long was well: its death is a new story
HANG_WINDOW_S: Final = 600.0  # hangs come a minute apart at best: they count for longer
BACKOFF_S: Final = (0.0, 1.0, 4.0)  # at once; then give a port, a driver, memory time to settle

HOPELESS: Final = frozenset(
    {
        WorkerExit.BAD_ARGUMENTS,
        WorkerExit.BAD_MODEL,
        WorkerExit.ENGINE_UNUSABLE,
        WorkerExit.OUT_OF_MEMORY,
    }
)
"""Exit codes after which the same start would only fail again."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How often a worker may be restarted: ``restarts_max`` within ``window_s``."""

    restarts_max: int = RESTARTS_MAX
    window_s: float = WINDOW_S


class Restart(msgspec.Struct, frozen=True):
    """Start again after ``delay_s``."""

    delay_s: float


class GiveUp(msgspec.Struct, frozen=True):
    """Do not start again; ``why`` goes before the exit's own reason."""

    why: str


def is_early(ready_at: float | None, died_at: float) -> bool:
    """Whether a death counts against the budget: before ready or soon after it."""
    return ready_at is None or died_at - ready_at < EARLY_S


def counted(deaths: Sequence[float], now: float, window_s: float) -> list[float]:
    """The early deaths that still count."""
    return [at for at in deaths if now - at < window_s]


def judge(
    deaths: Sequence[float], exit_code: int | None, now: float, budget: Budget
) -> Restart | GiveUp:
    """Decide after a death that nobody wanted.

    ``deaths`` are the times of the early deaths, the one at hand included when
    it was early; ``exit_code`` is its status (null for a signal).
    """
    if exit_code in HOPELESS:
        return GiveUp("starting it again would not help")
    recent = counted(deaths, now, budget.window_s)
    if len(recent) > budget.restarts_max:
        return GiveUp(f"it died {len(recent)} times within {budget.window_s:g} s")
    if not recent:
        return Restart(0.0)
    return Restart(BACKOFF_S[min(len(recent), len(BACKOFF_S)) - 1])


def judge_hang(hangs: Sequence[float], now: float, budget: Budget) -> Restart | GiveUp:
    """Decide after a hang was ended. ``hangs`` are their times, the one at hand included."""
    recent = counted(hangs, now, HANG_WINDOW_S)
    if len(recent) > budget.restarts_max:
        return GiveUp(f"it hung {len(recent)} times within {HANG_WINDOW_S:g} s")
    return Restart(0.0)
