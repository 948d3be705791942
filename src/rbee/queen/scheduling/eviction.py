"""Who gives way when there is no room: a pure choice over the whole colony.

A worker may go when it is idle, not young, not a person's (unless settings or force say
so), not pinned, and not the last that its settings keep. One whose model has a queue
may go only when ``turns`` says that its turn is over. What is idle longest for what it
costs to load again goes first; the fewest workers that make enough room on one device
go together, and nothing is evicted where that would not be enough.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Final

import msgspec

from rbee.contracts.workers import SERVING, WorkerStats
from rbee.queen.placement_settings import PlacementSettings
from rbee.queen.registry.hives import HiveView
from rbee.queen.scheduling.memory import (
    CPU_ID,
    Reserved,
    claim_bytes,
    device_ids,
    holds_memory,
)
from rbee.queen.scheduling.options import Option
from rbee.queen.scheduling.placement import rank, usual_load_s

LOAD_ASSUMED_S: Final = 10.0  # of a worker whose load nobody measured: a usual model's
LOAD_LEAST_S: Final = 0.1  # what loads faster is as good as free
TRIED_EXACTLY_MAX: Final = 12
"""Among so many workers of a device every set is tried (4,096 at most); of more, the
largest go first until there is room."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What eviction has to know of a worker. ``load_s`` null: nobody measured it.

    ``spare`` is how many workers its model has beyond what the settings keep.
    """

    in_use: bool
    idle_s: float
    serving_s: float
    load_s: float | None
    spare: int


class Victim(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that is to go. ``in_use``: it ends what it is at first."""

    worker_id: str
    hive_id: str
    model: str
    size_bytes: int
    idle_s: float
    load_s: float | None
    in_use: bool

    @property
    def score(self) -> float:
        """Idle time over load time: the larger, the less is lost."""
        load_s = LOAD_ASSUMED_S if self.load_s is None else self.load_s
        return self.idle_s / max(LOAD_LEAST_S, load_s)


class Eviction(msgspec.Struct, frozen=True, kw_only=True):
    """The room that can be made: these go, then the option is able."""

    option: Option
    victims: tuple[Victim, ...]


StandingOf = Callable[[HiveView, WorkerStats], Standing]
MayDisplace = Callable[[str], bool]
"""Whether a model that is in use gives way to the one that is asked for."""


def spared(
    worker: WorkerStats, standing: Standing, settings: PlacementSettings, *, force: bool = False
) -> str | None:
    """Why this worker is not evicted, its being in use aside; None when it may go."""
    if worker.status not in SERVING:
        return f"it is {worker.status}"
    if worker.manual and not (force or settings.evict_manual):
        return "a person spawned it"
    if standing.spare <= 0 and not force:
        pinned = settings.of(worker.model).pinned
        return "its model is pinned" if pinned else "the settings keep as many as there are"
    if standing.serving_s < settings.evict_grace_s:
        return "it has only just got ready"
    if not standing.in_use and standing.idle_s < settings.evict_idle_s:
        return "it worked a moment ago"
    return None


def find_eviction(
    options: Sequence[Option],
    standing_of: StandingOf,
    settings: PlacementSettings,
    *,
    wish: str | None = None,
    may_displace: MayDisplace = lambda _model: False,
    idle_at_least_s: float = 0.0,
    force: bool = False,
) -> Eviction | None:
    """The best way to make room for one of ``options``, those that only memory blocks.

    None when there is none: then what is loaded is in use, young, kept or a person's.
    Idle workers go before any that is in use, whatever hive they are on.
    """
    tight = [option for option in options if option.blocked == "memory"]
    usual_s = usual_load_s(tight)
    found: list[tuple[tuple[object, ...], Eviction]] = []
    for option in tight:
        able = _victims_on(option, standing_of, settings, may_displace, force=force)
        able = [one for one in able if one.in_use or one.idle_s >= idle_at_least_s]
        short = 0 if option.fit is None else option.fit.short_bytes
        chosen = _smallest([one for one in able if not one.in_use], short) or _smallest(able, short)
        if chosen:
            preferred = rank(option, wish, usual_s)
            in_use = sum(one.in_use for one in chosen)
            least = min(one.score for one in chosen)
            order = (in_use, *preferred[:4], len(chosen), -least, preferred)
            found.append((order, Eviction(option=option, victims=chosen)))
    return min(found, key=lambda row: row[0])[1] if found else None


def could_ever(
    options: Sequence[Option],
    standing_of: StandingOf,
    settings: PlacementSettings,
    reserved: Sequence[Reserved] = (),
) -> bool:
    """Whether room can be made once what is in use, young, coming or leaving has had its turn.

    ``reserved`` is what is promised to workers that no beat shows yet.
    """
    for option in options:
        if option.blocked != "memory" or option.fit is None:
            continue
        freed = sum(
            _size_on(option, worker)
            for worker in option.hive.workers
            if holds_memory(worker)
            and _lies_there(worker, option)
            and (worker.status not in SERVING or _will_go(option, worker, standing_of, settings))
        )
        freed += sum(
            one.size_bytes
            for one in reserved
            if one.hive_id == option.hive.id and one.device in {option.device, None}
        )
        if freed >= option.fit.short_bytes:
            return True
    return False


def _will_go(
    option: Option, worker: WorkerStats, standing_of: StandingOf, settings: PlacementSettings
) -> bool:
    standing = standing_of(option.hive, worker)
    later = msgspec.structs.replace(
        standing, in_use=False, idle_s=settings.evict_idle_s, serving_s=settings.evict_grace_s
    )
    return spared(worker, later, settings) is None


def _victims_on(
    option: Option,
    standing_of: StandingOf,
    settings: PlacementSettings,
    may_displace: MayDisplace,
    *,
    force: bool,
) -> list[Victim]:
    """Those that may go from the option's device."""
    found: list[Victim] = []
    kept: dict[str, int] = {}
    for worker in option.hive.workers:
        if not holds_memory(worker) or not _lies_there(worker, option):
            continue
        standing = standing_of(option.hive, worker)
        taken = kept.get(worker.model, 0)
        standing = msgspec.structs.replace(standing, spare=standing.spare - taken)
        if spared(worker, standing, settings, force=force) is not None:
            continue
        if standing.in_use and not may_displace(worker.model):
            continue
        kept[worker.model] = taken + 1
        found.append(
            Victim(
                worker_id=worker.worker_id,
                hive_id=str(option.hive.id),
                model=worker.model,
                size_bytes=_size_on(option, worker),
                idle_s=standing.idle_s,
                load_s=standing.load_s,
                in_use=standing.in_use,
            )
        )
    return found


def _lies_there(worker: WorkerStats, option: Option) -> bool:
    return (option.device or CPU_ID) in device_ids(worker)


def _size_on(option: Option, worker: WorkerStats) -> int:
    return claim_bytes(worker, option.hive) // max(1, len(device_ids(worker)))


def _smallest(victims: Sequence[Victim], short_bytes: int) -> tuple[Victim, ...]:
    """The fewest that free enough; of equally many, those that are missed least."""
    ranked = sorted(victims, key=lambda one: (one.in_use, -one.score, one.worker_id))
    if sum(one.size_bytes for one in ranked) < short_bytes:
        return ()
    if len(ranked) > TRIED_EXACTLY_MAX:
        return _largest_first(ranked, short_bytes)
    for count in range(1, len(ranked) + 1):
        enough = [
            group
            for group in combinations(ranked, count)
            if sum(one.size_bytes for one in group) >= short_bytes
        ]
        if enough:
            return max(enough, key=_worth)
    return ()


def _worth(group: Sequence[Victim]) -> tuple[int, float]:
    return -sum(one.in_use for one in group), min(one.score for one in group)


def _largest_first(ranked: Sequence[Victim], short_bytes: int) -> tuple[Victim, ...]:
    chosen: list[Victim] = []
    freed = 0
    for one in sorted(ranked, key=lambda one: (one.in_use, -one.size_bytes)):
        if freed >= short_bytes:
            break
        chosen.append(one)
        freed += one.size_bytes
    return tuple(chosen)
