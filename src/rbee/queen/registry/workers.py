"""Workers as the queen sees them: the hive's word, the key, and what the relay saw."""

import msgspec

from rbee.contracts.ids import HiveId, ModelId, WorkerId
from rbee.contracts.workers import COMING, SERVING, Task, WorkerStats, WorkerStatus
from rbee.queen.registry.liveness import TOLD_WITHIN_S


class RoutableWorker(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All that routing and the relay need of a worker. A value: each beat makes a new one.

    ``key`` is the bearer secret of this worker; it stays in the queen. ``local``
    says whether it runs on the queen's own machine, ``labels`` are its hive's. ``route``
    is how she reached it when this value was made. Unknown is null.
    """

    worker_id: WorkerId
    hive_id: HiveId
    model: ModelId
    address: str
    port: int
    key: str
    generation: int
    pid: int | None
    status: WorkerStatus
    slots_total: int | None
    slots_busy: int | None
    queued: int | None
    gpu_util_pct: float | None
    tokens_per_s: float | None
    unary_cancel: bool
    local: bool
    task: Task = "generate"
    labels: frozenset[str] = frozenset()
    route: str = "local"

    def __repr__(self) -> str:
        """Without the key: this is what a log or a failing assertion would print."""
        return f"<worker {self.worker_id} of {self.hive_id}: {self.model}, {self.status}>"


class Death(msgspec.Struct, frozen=True):
    """The relay saw this process refuse or reset a connection, ``at`` so many seconds."""

    generation: int
    pid: int | None
    at: float


class WorkerEntry(msgspec.Struct, kw_only=True):
    """A worker in the registry. ``answered_at`` is when it last answered the queen itself.

    ``counted_as`` is the model under which the registry's index counts it. ``leaving``:
    the queen has decided that it goes; its hive may not know yet.
    """

    stats: WorkerStats
    key: str | None = None
    death: Death | None = None
    answered_at: float | None = None
    counted_as: str = ""
    leaving: bool = False

    def take(self, stats: WorkerStats, *, now: float, revive_after_s: float) -> bool:
        """A beat's word on this worker; returns whether more than its figures changed.

        A newer process is not held liable for the old one's death.
        """
        changed = is_another(self.stats, stats)
        self.stats = stats
        death = self.death
        if death is None:
            return changed
        newer = stats.generation > death.generation or (
            stats.pid is not None and stats.pid != death.pid
        )
        still_there = stats.status in SERVING and now - death.at >= revive_after_s
        if newer or still_there:
            self.death = None
            changed = True
        return changed

    @property
    def serves(self) -> bool:
        """Whether it could take a request, its hive's state aside."""
        return (
            self.stats.status in SERVING
            and self.death is None
            and self.key is not None
            and not self.leaving
        )

    @property
    def shown(self) -> WorkerStats:
        """What decisions and people see of it: one that is to go drains already."""
        if self.leaving and self.stats.status in SERVING:
            return msgspec.structs.replace(self.stats, status="draining")
        return self.stats

    def is_coming(self, now: float) -> bool:
        """Whether it will serve without anybody's doing.

        A process that died a moment ago counts: its hive restarts it, and a second
        worker for the same model would only take the memory that it needs.
        """
        if self.death is None:
            return self.stats.status in COMING
        unheard = self.stats.status in SERVING and now - self.death.at <= TOLD_WITHIN_S
        return unheard or self.stats.status in COMING


def is_another(before: WorkerStats, after: WorkerStats) -> bool:
    """Whether routing or reconciling must hear of it: all but figures.

    Ready or busy is a figure too: under load it changes with every beat.
    """
    return (
        before.status != after.status and not (before.status in SERVING and after.status in SERVING)
    ) or (
        before.model != after.model
        or before.generation != after.generation
        or before.pid != after.pid
        or before.port != after.port
        or before.address != after.address
        or before.tls_port != after.tls_port
        or before.slots_total != after.slots_total
        or before.task != after.task
    )


def as_routable(
    entry: WorkerEntry,
    hive_id: HiveId,
    *,
    local: bool,
    labels: frozenset[str] = frozenset(),
    route: str = "local",
) -> RoutableWorker:
    """The view that routing gets."""
    stats = entry.stats
    return RoutableWorker(
        worker_id=WorkerId(stats.worker_id),
        hive_id=hive_id,
        model=ModelId(stats.model),
        address=stats.address,
        task=stats.task,
        port=stats.port,
        key=entry.key or "",
        generation=stats.generation,
        pid=stats.pid,
        status=stats.status,
        slots_total=stats.slots_total,
        slots_busy=stats.slots_busy,
        queued=stats.queued,
        gpu_util_pct=stats.gpu_util_pct,
        tokens_per_s=stats.tokens_per_s,
        unary_cancel=stats.unary_cancel,
        local=local,
        labels=labels,
        route=route,
    )
