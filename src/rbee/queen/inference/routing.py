"""Which worker takes a request: pure functions of the workers, their load and a turn.

``Router`` brings the few workers to choose from, all with a free slot: everyone
where there are few, a draw by dice where there are many. The functions here rank
them, one for each policy, and say in a word what decided; with the same values they
always choose the same worker. The load is what this queen itself has sent and not
seen end: it is exact at every instant, where a heartbeat is up to a second old.

The order of design.md, which ``least-loaded`` follows: free slots first, then the
share of them in use, the engine's own queue, GPU utilisation, the way to the hive,
this machine before others, and turns among equals.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from rbee.contracts.workers import Task
from rbee.queen.registry.workers import RoutableWorker

SLOTS_WHEN_UNKNOWN: Final = 1  # an engine that does not tell gets one request at a time
SHOWN_MAX: Final = 16  # a decision keeps every candidate up to here, else those considered
UTIL_SHARE: Final = 0.5  # weighted: a GPU at 100 % halves its worker's weight, never ends it
DELAY_HALVES_S: Final = 0.05  # weighted: 50 ms to the hive halve the weight; a LAN has under 1
DELAY_STEP_S: Final = 0.005  # measured delays differ by less from noise alone

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15  # 2^64 ÷ φ, the increment of splitmix64
_STEP: Final = 6364136223846793005  # Knuth's multiplier for 64 bits
UPPER: Final = 32  # a dice's lower half is left away


class Pick(NamedTuple):
    """The worker's place among those looked at, and what decided."""

    at: int
    reason: str


_ONLY: Final = Pick(0, "the only one with a free slot")


class Choice(msgspec.Struct, frozen=True):
    """The worker, and all that is needed to say later why it was taken.

    ``considered`` are the workers as they were, ``busy`` the requests that each had,
    ``scores`` what the policy compared, if not that (null: not known).
    ``candidates`` counts the workers that served the model. ``aside`` names workers
    that were left out, with the reason. Nothing is worded before somebody asks.
    """

    worker: RoutableWorker
    policy: str
    considered: tuple[RoutableWorker, ...]
    busy: tuple[int, ...]
    candidates: int
    reason: str
    scores: tuple[float | None, ...] = ()
    aside: tuple[tuple[str, str], ...] = ()

    @property
    def why(self) -> str:
        """One line for people."""
        busy = next(
            (n for w, n in zip(self.considered, self.busy, strict=True) if w is self.worker), 0
        )
        looked = len(self.considered)
        of = f"{looked} of {self.candidates}" if looked < self.candidates else f"{looked}"
        return (
            f"{busy} of {slots_of(self.worker)} slots in use, {self.reason} ({self.policy}, "
            f"{of} worker{'s' * (self.candidates != 1)} compared)"
        )


def slots_of(worker: RoutableWorker) -> int:
    """How many requests a worker takes at once."""
    return worker.slots_total or SLOTS_WHEN_UNKNOWN


def next_dice(dice: int) -> int:
    """The next throw after one of ``scrambled`` or of this; its upper bits are the good ones."""
    return (dice * _STEP + _GOLDEN) & _MASK


def scrambled(number: int) -> int:
    """A 64-bit number that looks random, the same for the same ``number`` (splitmix64)."""
    mixed = (number + _GOLDEN) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)


def choose(
    workers: Sequence[RoutableWorker],
    running: Mapping[str, int],
    *,
    turn: int = 0,
    task: Task = "generate",
    hive_id: str | None = None,
    worker_id: str | None = None,
) -> Choice | None:
    """The least loaded worker for ``task`` with a free slot, or None when there is none.

    ``workers`` serve the model already; ``running`` counts this queen's requests
    per worker id; ``turn`` rotates among equals. A preferred hive is a wish
    (another one serves when it has no free slot), a named worker is an order.
    """
    free = [
        worker
        for worker in workers
        if worker.task == task
        and running.get(worker.worker_id, 0) < slots_of(worker)
        and (worker_id is None or worker.worker_id == worker_id)
    ]
    if hive_id is not None:
        free = [worker for worker in free if worker.hive_id == hive_id] or free
    if not free:
        return None
    busy = [running.get(worker.worker_id, 0) for worker in free]
    pick = least_loaded(free, busy, turn)
    shown = tuple(workers[:SHOWN_MAX])
    return Choice(
        worker=free[pick.at],
        policy="least-loaded",
        considered=shown,
        busy=tuple(running.get(worker.worker_id, 0) for worker in shown),
        candidates=len(workers),
        reason=pick.reason,
    )


def least_loaded(
    free: Sequence[RoutableWorker],
    busy: Sequence[int],
    turn: int,
    delays_s: Mapping[str, float] | None = None,
) -> Pick:
    """The smallest share of slots in use; ties as the module says.

    ``delays_s`` maps hive ids to the measured way there in seconds.
    """
    if len(free) == 1:
        return _ONLY
    best = 2.0  # a share is at most 1
    equals: list[int] = []
    index = 0
    for worker in free:
        share = busy[index] / (worker.slots_total or SLOTS_WHEN_UNKNOWN)
        if share < best:
            best = share
            equals = [index]
        elif share == best:
            equals.append(index)
        index += 1  # noqa: SIM113  on the hot path: enumerate makes a tuple each time
    if len(equals) == 1:
        return Pick(equals[0], "the least loaded")
    if _all_alike(free, equals):
        return Pick(equals[turn % len(equals)], f"round-robin among {len(equals)} equals")
    ranks = [_tie(free[index], delays_s) for index in equals]
    least = min(ranks)
    if least != max(ranks):
        equals = [index for index, rank in zip(equals, ranks, strict=True) if rank == least]
    if len(equals) == 1:
        return Pick(equals[0], "the least loaded, then by queue, GPU, distance")
    return Pick(equals[turn % len(equals)], f"round-robin among {len(equals)} equals")


def _all_alike(free: Sequence[RoutableWorker], places: Sequence[int]) -> bool:
    """Whether there is nothing to rank by: idle workers of one hive, mostly."""
    first = free[places[0]]
    for place in places:
        worker = free[place]
        if (
            worker.queued != first.queued
            or worker.gpu_util_pct != first.gpu_util_pct
            or worker.hive_id != first.hive_id
            or worker.local != first.local
        ):
            return False
    return True


def _tie(
    worker: RoutableWorker, delays_s: Mapping[str, float] | None
) -> tuple[int, float, int, bool]:
    delay_s = delays_s.get(worker.hive_id, 0.0) if delays_s else 0.0
    return (
        worker.queued or 0,
        worker.gpu_util_pct or 0.0,
        int(delay_s / DELAY_STEP_S),
        not worker.local,
    )


def local_first(free: Sequence[RoutableWorker], busy: Sequence[int], turn: int) -> Pick:
    """This machine's workers while they have a free slot; among them the least loaded."""
    here = [index for index, worker in enumerate(free) if worker.local]
    if not here:
        return least_loaded(free, busy, turn)
    pick = least_loaded([free[index] for index in here], [busy[index] for index in here], turn)
    return Pick(here[pick.at], f"on this machine, {pick.reason}")


def quickest(
    free: Sequence[RoutableWorker], busy: Sequence[int], expected_s: Sequence[float | None]
) -> Pick:
    """The earliest first byte: what was measured, times the line that would form.

    One that was not measured yet comes first: it is how it gets measured.
    """
    best = 0
    least: tuple[float, float] | None = None
    for index, worker in enumerate(free):
        share = busy[index] / slots_of(worker)
        rank = ((expected_s[index] or 0.0) * (1.0 + share), share)
        if least is None or rank < least:
            best, least = index, rank
    expected = expected_s[best]
    if expected is None:
        return Pick(best, "not measured yet")
    return Pick(best, f"first byte expected in {expected * 1000:.0f} ms")


def weight_of(worker: RoutableWorker, busy: int, weight: float, delay_s: float) -> float:
    """How large a worker's share of the requests is under ``weighted``.

    Its free slots, less for a busy GPU and a long way, times what the operator gave.
    """
    util = min(100.0, worker.gpu_util_pct or 0.0) / 100.0
    return (
        max(0.0, weight)
        * (slots_of(worker) - busy)
        * (1.0 - UTIL_SHARE * util)
        / (1.0 + delay_s / DELAY_HALVES_S)
    )


def weighted(weights: Sequence[float], turn: int) -> Pick:
    """One by dice, with odds as the weights; a weight of 0 serves only when all are 0."""
    total = sum(weights)
    if total <= 0.0:
        return Pick(turn % len(weights), "no weights")
    dice = scrambled(turn) / (_MASK + 1) * total
    for index, weight in enumerate(weights):
        dice -= weight
        if dice < 0.0:
            return Pick(index, f"weight {weight:.2f} of {total:.2f}")
    return Pick(max(range(len(weights)), key=weights.__getitem__), "the largest weight")
