"""The colony as the queen knows it: hives, workers, models; one owner, no I/O.

Beats come in from ``api.heartbeats``, what the relay saw from ``inference``, the
passing of time from ``sweep``. Routing asks ``resolve`` and ``pool`` for every
request, so both are dictionary look-ups, and whatever comes in updates just what it
touches: neither a beat nor a request costs more in a larger colony. Time is ``now``,
in seconds of one monotonic clock; what has no ``now`` uses the last one given.
"""

from collections.abc import Callable
from typing import Final

from rbee.contracts.hives import Heartbeat, HeartbeatAck, HiveReady, HiveReadyAck
from rbee.contracts.ids import LOCAL_HIVE_NAMES, HiveId, ModelId
from rbee.contracts.models import Model, usual_task
from rbee.contracts.openai import ModelObject
from rbee.contracts.workers import COMING, Task
from rbee.errors import HiveNotFound, InvalidRequest
from rbee.queen.registry.hives import (
    HiveEntry,
    HiveView,
    check_beat,
    check_hive_id,
    check_url,
    has_moved,
    is_local,
    is_overtaken,
    is_twin,
    last_sign,
    lives,
    take,
    twin_message,
    url_of,
    view,
)
from rbee.queen.registry.liveness import (
    ANSWER_COUNTS_S,
    DEGRADED_AFTER_S,
    HiveState,
    hive_state,
    to_forget,
)
from rbee.queen.registry.models import ModelIndex, ModelRow, as_object, gather
from rbee.queen.registry.reach import LOCAL, AddressesAlone, Reach, RouteName
from rbee.queen.registry.serving import ServingIndex, ServingPool
from rbee.queen.registry.workers import Death, RoutableWorker, WorkerEntry, as_routable

HIVES_MAX: Final = 20_000  # twice what one queen was measured to carry (reliability.md)
PROBE_AFTER_S: Final = 2.0  # two missed beats: ask the workers themselves before it counts
SWEEP_EVERY_S: Final = 0.5  # a sixth of the shortest age in the table

_COUNTING: frozenset[HiveState] = frozenset({"fresh", "degraded"})


class Colony:
    """All soft state. ``hostname`` is the queen's own machine's, to know the local hive by.

    ``reach`` says how workers on other machines are reached; it may be replaced.
    """

    def __init__(self, *, hostname: str = "") -> None:
        self._hostname = hostname
        self.reach: Reach = AddressesAlone()
        self._hives: dict[HiveId, HiveEntry] = {}
        self._signs: dict[HiveId, None] = {}  # hives by their last sign of life, oldest first
        self._owners: dict[str, HiveEntry] = {}  # a worker's id belongs to who named it first
        self._unready: dict[str, HiveEntry] = {}  # workers that start, or died a moment ago
        self._serving = ServingIndex()
        self._index = ModelIndex()
        self._rows: dict[ModelId, ModelRow] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._now = 0.0
        self._swept_at: float | None = None

    # ── what comes in ────────────────────────────────────────────────────────

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` after every change that may matter to routing or reconciling."""
        self._listeners.append(callback)

    def ready(self, message: HiveReady, now: float, *, near: bool | None = None) -> HiveReadyAck:
        """A hive joins, or comes back. It counts from its first beat on.

        ``near`` is as in ``beat``.

        Raises:
            InvalidRequest: its id or URL is unusable, or the colony is at its bound.
        """
        self._pass_time(now)
        check_hive_id(message.hive_id)
        check_url(message.hive_url, near=near)
        known = message.hive_id in self._hives
        entry = self._entry(HiveId(message.hive_id), message.hive_url, now)
        entry.url = message.hive_url.rstrip("/")
        self._changed()
        return HiveReadyAck(message="welcome back" if known else "welcome")

    def beat(self, heartbeat: Heartbeat, now: float, *, near: bool | None = None) -> HeartbeatAck:
        """A hive's second. A hive that was never seen joins by its beat.

        ``near`` is whether it came from the queen's own machine, null where nobody can
        tell: then the hive's word on its address and host name is taken for it.

        Raises:
            InvalidRequest: the beat is out of bounds, or the colony is at its bound.
        """
        self._pass_time(now)
        check_beat(heartbeat)
        entry = self._entry(HiveId(heartbeat.hive_id), url_of(heartbeat.hive_info), now)
        if is_twin(entry, heartbeat, now):
            return HeartbeatAck(message=twin_message(entry))
        if is_overtaken(entry, heartbeat):
            return HeartbeatAck(message="ignored: a later beat of this hive was here first")
        moved = has_moved(entry, heartbeat)
        if moved:
            entry.url = url_of(heartbeat.hive_info)
        before = entry.models
        entry.near = near
        taken = take(entry, heartbeat, now)
        self._sign(entry)
        entry.state = "fresh"
        local = is_local(entry, self._hostname)
        changed = taken.changed or moved or local != entry.local
        entry.local = local
        if taken.models:
            stamp = int(heartbeat.timestamp)
            self._index.put(entry.id, before or [], entry.models or [], stamp)
        for worker in taken.gone:
            self._disown(entry, worker)
        for worker in entry.workers.values():
            self._refresh(entry, worker)
        if changed:
            self._changed()
        return HeartbeatAck(wanted=taken.wanted)

    def sweep(self, now: float) -> None:
        """Let time pass: apply the liveness table to every hive. Call it twice a second."""
        lag_s = 0.0 if self._swept_at is None else now - self._swept_at - SWEEP_EVERY_S
        self._swept_at = now
        self._pass_time(now)
        silent = self._silent(now, DEGRADED_AFTER_S)
        ages = {entry.id: now - last_sign(entry) for entry in silent}
        forgotten = to_forget(ages, hives=len(self._hives), lag_s=lag_s)
        changed = bool(forgotten)
        for hive_id in forgotten:
            self._forget(hive_id)
        for entry in silent:
            if entry.id in forgotten:
                continue
            state = "down" if entry.beat_at is None else hive_state(ages[entry.id])
            changed |= state != entry.state
            entry.state = state
            for worker in entry.workers.values():  # direct answers grow old without any event
                self._refresh(entry, worker)
        if changed:
            self._changed()

    def mark_dead(self, worker_id: str, generation: int) -> None:
        """The relay saw this process refuse or reset a connection: out of serving at once.

        It comes back when a beat shows a newer generation or another pid, or when
        its hive, which looks every second, still calls it ready 10 s later.
        """
        entry = self._owners.get(worker_id)
        if entry is None:
            return
        found = entry.workers[worker_id]
        if found.stats.generation > generation:
            return
        if entry.local or not self.reach.blames_way(entry, found):
            found.death = Death(generation, found.stats.pid, self._now)
        self._refresh(entry, found)
        self._changed()

    def answered(self, worker_id: str, now: float) -> None:
        """The worker itself answered the queen just now: it lives, whatever its hive does."""
        self._pass_time(now)
        entry = self._owners.get(worker_id)
        if entry is None:
            return
        found = entry.workers[worker_id]
        silent = found.answered_at is None or now - found.answered_at > ANSWER_COUNTS_S
        found.answered_at = now
        self._refresh(entry, found)
        if silent:
            self._notify()

    def reroute(self, hive_id: HiveId) -> None:
        """The ways to this hive's workers changed: a link came or went, a probe succeeded."""
        entry = self._hives.get(hive_id)
        if entry is not None and not entry.local:
            for worker in entry.workers.values():
                self._refresh(entry, worker)
            self._notify()

    def forget(self, hive_id: HiveId) -> None:
        """A hive was shut out: it and its workers are gone at once."""
        if hive_id in self._hives:
            self._forget(hive_id)
            self._changed()

    def drain(self, worker_id: str, *, leaving: bool = True) -> None:
        """The queen has chosen this worker to go: it gets nothing new from this moment on.

        ``leaving`` false takes it back: it stays after all.
        """
        entry = self._owners.get(worker_id)
        if entry is not None:
            entry.workers[worker_id].leaving = leaving
            self._refresh(entry, entry.workers[worker_id])
            self._changed()

    # ── what routing asks ────────────────────────────────────────────────────

    def resolve(self, name: str) -> ModelId | None:
        """The id of the model that ``name`` stands for, among the models of the colony.

        Ids, aliases and file names, whatever their case; then what the table of
        known names makes of it. None: no hive has it.
        """
        return self._index.resolve(name)

    def pool(self, model: str) -> ServingPool | None:
        """Workers of a model that take requests now: ready or busy, reachable, key known.

        None when there is none. To be read at once: the next beat changes it.
        """
        return self._serving.pool(model)

    def serving(self, model: str) -> list[RoutableWorker]:
        """The workers of ``pool``: to be read at once, never changed."""
        pool = self._serving.pool(model)
        return [] if pool is None else pool.workers

    def usual_task(self, model: str) -> Task:
        """What a worker of this model is started for when nobody says."""
        facts = self._index.facts(model)
        return "generate" if facts is None else usual_task(facts)

    def coming(self, model: str, task: Task) -> int:
        """How many workers of a model for a task are starting on hives that are not down."""
        found = 0
        for worker_id, entry in self._unready.items():
            worker = entry.workers[worker_id]
            found += (
                worker.stats.model == model
                and worker.stats.task == task
                and entry.state in _COUNTING
                and worker.is_coming(self._now)
            )
        return found

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

    def entries(self) -> list[HiveEntry]:
        """All hives as they are kept: to be read at once, and they hold keys."""
        return list(self._hives.values())

    def is_serving(self, worker_id: str) -> bool:
        """Whether this worker takes requests now."""
        return self._serving.serves(worker_id)

    def route(self, worker_id: str) -> str | None:
        """The way that this worker's requests go now; None: it takes none."""
        worker = self._serving.get(worker_id)
        return None if worker is None else worker.route

    def facts(self, model: str) -> Model | None:
        """What the catalogues say of a model id."""
        return self._index.facts(model)

    def models(self) -> list[ModelRow]:
        """The models of the colony, by id."""
        if self._rows is None:
            self._rows = gather(self._hives.values())
        rows = self._rows
        return [rows[model_id] for model_id in sorted(rows)]

    def model_objects(self) -> list[ModelObject]:
        """The models as OpenAI's door lists them."""
        seen = self._index.first_seen
        return [as_object(row, created=seen.get(row.id, 0)) for row in self.models()]

    def to_probe(self, now: float) -> list[RoutableWorker]:
        """Workers whose hive has missed beats: only their own answers keep them in use."""
        return [
            as_routable(worker, entry.id, local=entry.local, labels=entry.labels, route=route)
            for entry in self._silent(now, PROBE_AFTER_S)
            if entry.beat_at is not None
            for worker in entry.workers.values()
            if worker.serves and (route := self._route(entry, worker)) is not None
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
            self._sign(entry)
        return entry

    def _sign(self, entry: HiveEntry) -> None:
        """The youngest sign of life is this hive's."""
        self._signs.pop(entry.id, None)
        self._signs[entry.id] = None

    def _silent(self, now: float, age_s: float) -> list[HiveEntry]:
        """Hives without a sign of life for longer than this: few, and found first."""
        silent: list[HiveEntry] = []
        for hive_id in self._signs:
            entry = self._hives[hive_id]
            if now - last_sign(entry) <= age_s:
                break
            silent.append(entry)
        return silent

    def _forget(self, hive_id: HiveId) -> None:
        entry = self._hives.pop(hive_id)
        del self._signs[hive_id]
        self._index.put(hive_id, entry.models or [], [], 0)
        for worker in entry.workers.values():
            self._disown(entry, worker)

    def _refresh(self, entry: HiveEntry, worker: WorkerEntry) -> None:
        """Bring the indexes up to what is now known of a worker."""
        stats = worker.stats
        worker_id = stats.worker_id
        owner = self._owners.get(worker_id)
        if owner is None:
            self._owners[worker_id] = entry
            worker.counted_as = stats.model
            self._index.add_worker(stats.model, int(entry.beat_stamp))
        elif owner is not entry:
            return  # two hives cannot both mean it; the second gets it when the first lets go
        elif worker.counted_as != stats.model:
            self._index.add_worker(stats.model, int(entry.beat_stamp))
            self._index.drop_worker(worker.counted_as)
            worker.counted_as = stats.model
        if worker.death is not None or stats.status in COMING:
            self._unready[worker_id] = entry
        elif self._unready:
            self._unready.pop(worker_id, None)
        route = self._route(entry, worker) if worker.serves else None
        if route is not None and lives(entry, worker, self._now):
            self._serving.put(
                as_routable(worker, entry.id, local=entry.local, labels=entry.labels, route=route)
            )
        else:
            self._serving.drop(worker_id)

    def _disown(self, entry: HiveEntry, worker: WorkerEntry) -> None:
        worker_id = worker.stats.worker_id
        if self._owners.get(worker_id) is not entry:
            return
        del self._owners[worker_id]
        self._unready.pop(worker_id, None)
        self._serving.drop(worker_id)
        self._index.drop_worker(worker.counted_as)

    def _route(self, entry: HiveEntry, worker: WorkerEntry) -> RouteName | None:
        return LOCAL if entry.local else self.reach.route(entry, worker)

    def _changed(self) -> None:
        self._rows = None
        self._notify()

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()
