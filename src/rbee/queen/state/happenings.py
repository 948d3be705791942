"""What happened between two looks at the colony, in words. Pure.

The registry knows states, not stories: that a worker crashed is that its generation grew,
that a hive was lost is that it is down now and was not before. ``Watcher`` remembers the
states of the last look and tells the differences, hive by hive, so that whoever walks over
thousands can pause in between. What it says goes into the ring of
``events``, where people read it; nothing decides by it.
"""

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from rbee.contracts.models import Download
from rbee.contracts.state import EventLevel
from rbee.contracts.workers import WorkerStats
from rbee.queen.registry.hives import HiveEntry
from rbee.queen.registry.liveness import HiveState


class Happening(NamedTuple):
    """Something that happened. ``kind`` and ``subject`` are as in ``EventRow``."""

    level: EventLevel
    kind: str
    subject: str
    message: str
    hive_id: str | None = None


_HIVE_NOW: Final[dict[HiveState, tuple[EventLevel, str, str]]] = {
    "degraded": ("warning", "hive_silent", "has missed three beats"),
    "down": ("error", "hive_lost", "has been silent for 10 s: it counts as down"),
    "fresh": ("info", "hive_back", "is back"),
}


class _Seen(NamedTuple):
    """A worker at the last look."""

    model: str
    status: str
    generation: int


class _HiveSeen:
    """A hive at the last look. ``models`` is the catalogue itself: another one is another list."""

    __slots__ = ("beat_at", "downloads", "model_ids", "models", "state", "workers")

    def __init__(self, state: HiveState) -> None:
        self.state: HiveState = state
        self.beat_at: float | None = None
        self.models: object = None
        self.model_ids: frozenset[str] | None = None
        self.workers: dict[str, _Seen] = {}
        self.downloads: dict[str, str] = {}


class Watcher:
    """Remembers states, tells what changed: ``look`` at each hive, then ``gone``."""

    def __init__(self) -> None:
        self._hives: dict[str, _HiveSeen] = {}

    def look(self, entry: HiveEntry) -> list[Happening]:
        """What happened on a hive since the last look; at the first one, that it is there."""
        hive_id = str(entry.id)
        seen = self._hives.get(hive_id)
        if entry.beat_at is None:  # it said hello: it counts from its first beat on
            return []
        said: list[Happening] = []
        if seen is None:
            seen = self._hives[hive_id] = _HiveSeen(entry.state)
            where = entry.info.hostname if entry.info is not None else entry.url
            text = f"{hive_id} joined from {where}, with {_counted(len(entry.workers))}."
            said.append(Happening("info", "hive_joined", hive_id, text, hive_id))
            # What it brought along is no news: a restarted queen would tell of every worker.
            _workers(seen, entry, hive_id)
            _downloads(seen, entry, hive_id)
        elif seen.state != entry.state:
            said += _hive_is(hive_id, seen.state, entry.state)
            seen.state = entry.state
        # Ten thousand hives are looked at each second: most of them said nothing new.
        if seen.beat_at != entry.beat_at or len(seen.workers) != len(entry.workers):
            seen.beat_at = entry.beat_at
            said += _workers(seen, entry, hive_id)
            said += _catalogue(seen, entry, hive_id)
            said += _downloads(seen, entry, hive_id)
        return said

    def gone(self, there: AbstractSet[str]) -> list[Happening]:
        """A round of looks is over; ``there`` are the hives that are kept."""
        if len(self._hives) <= len(there) and self._hives.keys() <= there:
            return []
        said: list[Happening] = []
        for hive_id in self._hives.keys() - there:
            del self._hives[hive_id]
            text = f"{hive_id} was forgotten, with its workers."
            said.append(Happening("warning", "hive_gone", hive_id, text, hive_id))
        return said


def _hive_is(hive_id: str, before: HiveState, state: HiveState) -> list[Happening]:
    if state == "degraded" and before == "down":
        return []
    level, kind, text = _HIVE_NOW.get(state, ("warning", "hive_gone", "is gone"))
    return [Happening(level, kind, hive_id, f"{hive_id} {text}.", hive_id)]


def _workers(seen: _HiveSeen, entry: HiveEntry, hive_id: str) -> list[Happening]:
    said: list[Happening] = []
    before = seen.workers
    after: dict[str, _Seen] = {}
    for worker_id, worker in entry.workers.items():
        stats = worker.shown
        old = before.get(worker_id)
        if old is None or old.status != stats.status or old.generation != stats.generation:
            said += _worker(old, stats, hive_id)
            old = _Seen(stats.model, stats.status, stats.generation)
        after[worker_id] = old
    for worker_id in before.keys() - after.keys():
        old = before[worker_id]
        if old.status not in _ENDED:
            text = f"{worker_id} ({old.model}) on {hive_id} was stopped."
            said.append(Happening("info", "worker_stopped", worker_id, text, hive_id))
    seen.workers = after
    return said


def _worker(before: _Seen | None, stats: WorkerStats, hive_id: str) -> list[Happening]:
    who = f"{stats.worker_id} ({stats.model}) on {hive_id}"
    reason = _reason(stats)
    why = f": {reason}" if reason else ""
    if before is not None and stats.generation > before.generation:
        text = f"{who} started again, for the {_nth(stats.generation - 1)} time{why}."
        return [Happening("error", "worker_crashed", stats.worker_id, text, hive_id)]
    told = _worker_is(stats, None if before is None else before.status, who, why)
    if told is None:
        return []
    level, kind, text = told
    return [Happening(level, kind, stats.worker_id, text, hive_id)]


def _reason(stats: WorkerStats) -> str:
    """Why, for the middle of a sentence that names the worker and says what is done."""
    reason = (stats.reason or "").removesuffix(".")
    reason = reason.removeprefix(f"Worker {stats.worker_id} ({stats.model}) ended: ")
    return reason.removesuffix("; it is started again")


def _catalogue(seen: _HiveSeen, entry: HiveEntry, hive_id: str) -> list[Happening]:
    models = entry.models
    if models is None or seen.models is models:
        return []
    here = frozenset(model.id for model in models if model.status == "available")
    before, seen.models, seen.model_ids = seen.model_ids, models, here
    if before is None:  # its whole catalogue, told for the first time
        return []
    said = [
        Happening("info", "model_fetched", one, f"{one} is on {hive_id} now.", hive_id)
        for one in sorted(here - before)
    ]
    said += [
        Happening("info", "model_deleted", one, f"{one} is no longer on {hive_id}.", hive_id)
        for one in sorted(before - here)
    ]
    return said


def _downloads(seen: _HiveSeen, entry: HiveEntry, hive_id: str) -> list[Happening]:
    said: list[Happening] = []
    for download in entry.downloads:
        before = seen.downloads.get(download.model)
        if download.state != before:
            said += _download(before, download, hive_id)
    seen.downloads = {download.model: download.state for download in entry.downloads}
    return said


def _download(before: str | None, download: Download, hive_id: str) -> list[Happening]:
    model, state = download.model, download.state
    if state == "failed":
        why = f": {download.reason}" if download.reason else "."
        text = f"{model} did not come to {hive_id}{why}"
        return [Happening("error", "download_failed", model, text, hive_id)]
    if state == "paused":
        text = f"{model} is paused on {hive_id}."
        return [Happening("info", "download_paused", model, text, hive_id)]
    if before is None or before in {"paused", "failed"}:
        text = f"{hive_id} fetches {model}."
        return [Happening("info", "download_started", model, text, hive_id)]
    return []


_ENDED: Final = frozenset({"stopped", "error"})

_KINDS: Final = {
    "starting": "worker_starting",
    "ready": "worker_ready",
    "busy": "worker_ready",
    "draining": "worker_draining",
    "stopping": "worker_draining",
    "stopped": "worker_stopped",
    "error": "worker_failed",
}


def _worker_is(
    stats: WorkerStats, before: str | None, who: str, why: str
) -> tuple[EventLevel, str, str] | None:
    """A worker's new status in words; None where it is not worth any."""
    kind = _KINDS[stats.status]
    if before is not None and kind == _KINDS.get(before):
        return None
    took = f" after {stats.load_s:.1f} s" if stats.load_s is not None else ""
    text = {
        "worker_starting": f"{who} starts.",
        "worker_ready": f"{who} is ready{took}.",
        "worker_draining": f"{who} ends what it does, and then stops.",
        "worker_stopped": f"{who} was stopped{why}.",
        "worker_failed": f"{who} does not run{why}.",
    }[kind]
    return "error" if kind == "worker_failed" else "info", kind, text


def _nth(number: int) -> str:
    last = 0 if number % 100 in {11, 12, 13} else number % 10
    ending = {1: "st", 2: "nd", 3: "rd"}.get(last, "th")
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}{ending}")


def _counted(workers: int) -> str:
    return {0: "no worker", 1: "one worker"}.get(workers, f"{workers} workers")
