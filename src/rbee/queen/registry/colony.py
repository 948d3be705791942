"""The colony as the queen knows it: hives, workers, models; one owner, no I/O.

Beats come in from ``api.heartbeats``, what the relay saw from ``inference``, the
passing of time from ``sweep``. Routing asks ``resolve`` and ``serving`` for every
request, so both are dictionary look-ups over an index that changes only when a
beat changed something. Time is ``now``, in seconds of one monotonic clock; what
has no ``now`` uses the last one that was given.
"""

from collections.abc import Callable
from typing import Final

from rbee.contracts.hives import Heartbeat, HeartbeatAck, HiveReady, HiveReadyAck
from rbee.contracts.ids import LOCAL_HIVE_NAMES, HiveId, ModelId
from rbee.contracts.models import Model
from rbee.contracts.openai import ModelObject
from rbee.contracts.workers import Task
from rbee.errors import HiveNotFound, InvalidRequest
from rbee.queen.registry.hives import (
    HiveEntry,
    HiveView,
    check_beat,
    check_hive_id,
    is_loopback,
    is_overtaken,
    is_twin,
    take,
    url_of,
    view,
)
from rbee.queen.registry.liveness import (
    ANSWER_COUNTS_S,
    HiveState,
    hive_state,
    may_route,
    to_forget,
)
from rbee.queen.registry.models import (
    ModelRow,
    as_object,
    find_by_source,
    gather,
    index_names,
)
from rbee.queen.registry.workers import Death, RoutableWorker, WorkerEntry, as_routable

HIVES_MAX: Final = 20_000  # twice what one queen was measured to carry (reliability.md)
PROBE_AFTER_S: Final = 2.0  # two missed beats: ask the workers themselves before it counts
SWEEP_EVERY_S: Final = 0.5  # a sixth of the shortest age in the table
_URL_LENGTH_MAX: Final = 512  # a host name has at most 253 characters

_COUNTING: frozenset[HiveState] = frozenset({"fresh", "degraded"})


class Colony:
    """All soft state. ``hostname`` is the queen's own machine's, to know the local hive by."""

    def __init__(self, *, hostname: str = "") -> None:
        self._hostname = hostname
        self._hives: dict[HiveId, HiveEntry] = {}
        self._listeners: list[Callable[[], None]] = []
        self._now = 0.0
        self._swept_at: float | None = None
        self._serving: dict[str, list[RoutableWorker]] | None = None
        self._models: dict[ModelId, ModelRow] | None = None
        self._names: dict[str, ModelId] = {}
        self._first_seen: dict[ModelId, int] = {}
        self._beat_stamp = 0.0

    # ── what comes in ────────────────────────────────────────────────────────

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` after every change that may matter to routing or reconciling."""
        self._listeners.append(callback)

    def ready(self, message: HiveReady, now: float) -> HiveReadyAck:
        """A hive joins, or comes back. It counts from its first beat on.

        Raises:
            InvalidRequest: its id or URL is unusable, or the colony is at its bound.
        """
        self._pass_time(now)
        check_hive_id(message.hive_id)
        _check_url(message.hive_url)
        known = message.hive_id in self._hives
        entry = self._entry(HiveId(message.hive_id), message.hive_url, now)
        entry.url = message.hive_url.rstrip("/")
        self._changed()
        return HiveReadyAck(message="welcome back" if known else "welcome")

    def beat(self, heartbeat: Heartbeat, now: float) -> HeartbeatAck:
        """A hive's second. A hive that was never seen joins by its beat.

        Raises:
            InvalidRequest: the beat is out of bounds, or the colony is at its bound.
        """
        self._pass_time(now)
        check_beat(heartbeat)
        entry = self._entry(HiveId(heartbeat.hive_id), url_of(heartbeat.hive_info), now)
        if is_twin(entry, heartbeat, now):
            return HeartbeatAck(message=_twin_message(entry))
        if is_overtaken(entry, heartbeat):
            return HeartbeatAck(message="ignored: a later beat of this hive was here first")
        before = _essence(entry)
        if entry.info is not None and url_of(entry.info) != url_of(heartbeat.hive_info):
            entry.url = url_of(heartbeat.hive_info)  # the hive moved to another port
        wanted = take(entry, heartbeat, now)
        self._beat_stamp = heartbeat.timestamp
        entry.state = "fresh"
        entry.local = self._is_local(entry)
        self._serving = None  # loads changed even where nothing else did
        if _essence(entry) != before:
            self._changed()
        return HeartbeatAck(wanted=wanted)

    def sweep(self, now: float) -> None:
        """Let time pass: apply the liveness table to every hive. Call it twice a second."""
        lag_s = 0.0 if self._swept_at is None else now - self._swept_at - SWEEP_EVERY_S
        self._swept_at = now
        self._pass_time(now)
        ages = {entry.id: now - _last_sign(entry) for entry in self._hives.values()}
        changed = False
        for hive_id in to_forget(ages, lag_s=lag_s):
            del self._hives[hive_id]
            changed = True
        for entry in self._hives.values():
            state = "down" if entry.beat_at is None else hive_state(ages[entry.id])
            changed |= state != entry.state
            entry.state = state
        if any(entry.state != "fresh" for entry in self._hives.values()):
            self._serving = None  # direct answers grow old without any event
        if changed:
            self._changed()

    def mark_dead(self, worker_id: str, generation: int) -> None:
        """The relay saw this process refuse or reset a connection: out of serving at once.

        It comes back when a beat shows a newer generation or another pid, or when
        its hive, which looks every second, still calls it ready 10 s later.
        """
        found = self._worker(worker_id)
        if found is None or found.stats.generation > generation:
            return
        found.death = Death(generation, found.stats.pid, self._now)
        self._changed()

    def answered(self, worker_id: str, now: float) -> None:
        """The worker itself answered the queen just now: it lives, whatever its hive does."""
        self._pass_time(now)
        found = self._worker(worker_id)
        if found is None:
            return
        silent = found.answered_at is None or now - found.answered_at > ANSWER_COUNTS_S
        found.answered_at = now
        self._serving = None
        if silent:
            self._notify()

    # ── what routing asks ────────────────────────────────────────────────────

    def resolve(self, name: str) -> ModelId | None:
        """The id of the model that ``name`` stands for, among the models of the colony.

        Ids, aliases and file names, whatever their case; then what the table of
        known names makes of it. None: no hive has it.
        """
        rows = self._rows()
        key = name.strip().casefold()
        found = self._names.get(key)
        if found is None and (found := find_by_source(name, rows)) is not None:
            self._names[key] = found  # ends with the index, at the next change
        return found

    def serving(self, model: str) -> list[RoutableWorker]:
        """Workers of a model that take requests now: ready or busy, reachable, key known."""
        if self._serving is None:
            self._serving = self._index_serving()
        return self._serving.get(model, [])

    def usual_task(self, model: str) -> Task:
        """What a worker of this model is started for when nobody says."""
        facts = self.facts(model)
        return "embeddings" if facts is not None and facts.embedding else "generate"

    def coming(self, model: str, task: Task) -> int:
        """How many workers of a model for a task are starting on hives that are not down."""
        return sum(
            worker.stats.model == model
            and worker.stats.task == task
            and worker.is_coming(self._now)
            for entry in self._hives.values()
            if entry.state in _COUNTING
            for worker in entry.workers.values()
        )

    # ── snapshots ────────────────────────────────────────────────────────────

    def find_hive(self, name: str) -> HiveView:
        """The hive of this id; ``localhost`` and its like name the queen's own machine's.

        Raises:
            HiveNotFound: no such hive has joined.
        """
        entry = self._hives.get(HiveId(name))
        if entry is None and name.lower() in LOCAL_HIVE_NAMES:
            entry = next((hive for hive in self._hives.values() if hive.local), None)
        if entry is None:
            raise HiveNotFound(f"No hive {name!r} has joined this queen.", param="$.hive_id")
        return view(entry, self._now)

    def hives(self) -> list[HiveView]:
        """All hives, by id."""
        return [view(self._hives[hive_id], self._now) for hive_id in sorted(self._hives)]

    def workers(self) -> list[tuple[HiveId, WorkerEntry]]:
        """All workers with their hives. The entries hold keys: do not pass them on."""
        return [
            (entry.id, worker)
            for entry in self._hives.values()
            for worker in entry.workers.values()
        ]

    def is_serving(self, worker_id: str) -> bool:
        """Whether this worker takes requests now."""
        found = self._worker(worker_id)
        return found is not None and any(
            worker.worker_id == worker_id for worker in self.serving(found.stats.model)
        )

    def facts(self, model: str) -> Model | None:
        """What the catalogues say of a model id."""
        row = self._rows().get(ModelId(model))
        return None if row is None else row.facts

    def models(self) -> list[ModelRow]:
        """The models of the colony, by id."""
        rows = self._rows()
        return [rows[model_id] for model_id in sorted(rows)]

    def model_objects(self) -> list[ModelObject]:
        """The models as OpenAI's door lists them."""
        return [as_object(row, created=self._first_seen.get(row.id, 0)) for row in self.models()]

    def to_probe(self, now: float) -> list[RoutableWorker]:
        """Workers whose hive has missed beats: only their own answers keep them in use."""
        return [
            as_routable(worker, entry.id, local=entry.local)
            for entry in self._hives.values()
            if entry.beat_at is not None and now - entry.beat_at > PROBE_AFTER_S
            for worker in entry.workers.values()
            if worker.serves
        ]

    # ── inside ───────────────────────────────────────────────────────────────

    def _pass_time(self, now: float) -> None:
        self._now = max(self._now, now)

    def _entry(self, hive_id: HiveId, url: str, now: float) -> HiveEntry:
        entry = self._hives.get(hive_id)
        if entry is None:
            if len(self._hives) >= HIVES_MAX:
                raise InvalidRequest(f"This colony has {HIVES_MAX} hives already.")
            entry = self._hives[hive_id] = HiveEntry(id=hive_id, url=url, joined_at=now)
        return entry

    def _worker(self, worker_id: str) -> WorkerEntry | None:
        for entry in self._hives.values():
            if (found := entry.workers.get(worker_id)) is not None:
                return found
        return None

    def _is_local(self, entry: HiveEntry) -> bool:
        info = entry.info
        return info is not None and (
            is_loopback(info.address) or bool(self._hostname and info.hostname == self._hostname)
        )

    def _index_serving(self) -> dict[str, list[RoutableWorker]]:
        index: dict[str, list[RoutableWorker]] = {}
        for entry in self._hives.values():
            for worker in entry.workers.values():
                if worker.serves and self._usable(entry, worker):
                    routable = as_routable(worker, entry.id, local=entry.local)
                    index.setdefault(routable.model, []).append(routable)
        return index

    def _usable(self, entry: HiveEntry, worker: WorkerEntry) -> bool:
        if is_loopback(worker.stats.address) and not entry.local:
            return False  # another machine's loopback is not ours
        answer_age_s = None if worker.answered_at is None else self._now - worker.answered_at
        return may_route(entry.state, answer_age_s)

    def _rows(self) -> dict[ModelId, ModelRow]:
        if self._models is None:
            self._models = gather(self._hives.values())
            self._names = index_names(self._models)
            stamp = int(self._beat_stamp)
            self._first_seen = {key: self._first_seen.get(key, stamp) for key in self._models}
        return self._models

    def _changed(self) -> None:
        self._serving = None
        self._models = None
        self._notify()

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()


def _essence(entry: HiveEntry) -> tuple[object, ...]:
    """What of a hive matters to routing and reconciling; telemetry is left out."""
    return (
        entry.state,
        entry.url,
        entry.models,
        entry.capabilities,
        entry.beat_at is None,
        [_worker_essence(worker) for worker in entry.workers.values()],
    )


def _worker_essence(worker: WorkerEntry) -> tuple[object, ...]:
    stats = worker.stats
    return (
        stats.worker_id,
        stats.model,
        stats.status,
        stats.generation,
        stats.pid,
        stats.address,
        stats.port,
        stats.slots_total,
        worker.key,
        worker.death,
    )


def _last_sign(entry: HiveEntry) -> float:
    return entry.joined_at if entry.beat_at is None else entry.beat_at


def _twin_message(entry: HiveEntry) -> str:
    place = "elsewhere" if entry.info is None else f"{entry.info.hostname} ({entry.url})"
    return (
        f"ignored: another hive with the id {entry.id!r} beats from {place}; "
        f"give one of the two an id of its own"
    )


def _check_url(url: str) -> None:
    scheme, _, rest = url.partition("://")
    usable = scheme in {"http", "https"} and rest and url.isascii() and url.isprintable()
    if not usable or len(url) > _URL_LENGTH_MAX or any(mark in rest for mark in "@?# "):
        raise InvalidRequest(
            f"{url[:_URL_LENGTH_MAX]!r} is no address of a hive at `$.hive_url`.",
            remedy="Send http://ADDRESS:PORT.",
            param="$.hive_url",
        )
