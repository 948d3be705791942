"""The state stream: the colony as tables of rows, for whoever shows it (``/v1/state/stream``).

A row is complete: a delta replaces it whole. Null means unknown, never 0. Times (``…_at``,
``since``) are Unix seconds of the queen's clock. Rows that change each second (``NodeRow``,
``LoadRow``) stand apart from those that seldom do, so that a second costs few bytes. The
browser's names for the same are in ``web/src/state/types.ts``; docs/state-stream.md explains
the stream.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec

from rbee.contracts.hives import Device, DeviceProblem, EngineInfo
from rbee.contracts.jobs import JobState
from rbee.contracts.models import Download, ModelStatus
from rbee.contracts.status import HiveLiveness
from rbee.contracts.workers import Task, WorkerStatus

TableName: TypeAlias = Literal[
    "colony",
    "hives",
    "nodes",
    "workers",
    "loads",
    "models",
    "requests",
    "downloads",
    "joins",
    "jobs",
    "events",
]

OPERATORS_TABLES: Final[frozenset[TableName]] = frozenset({"joins", "jobs"})
"""Tables that a key of the scope ``read`` is not shown: what they list is the operators' own."""

COLONY_ROW: Final = "queen"
"""The id of the one row of ``colony``."""

GpuFigures: TypeAlias = tuple[
    str, float | None, float | None, float | None, float | None, float | None
]
"""id, util %, used MiB, total MiB, °C, W: compact, since there are hundreds each second."""

EventLevel: TypeAlias = Literal["info", "warning", "error"]
HiveRoute: TypeAlias = Literal["local", "link", "direct"]
Membership: TypeAlias = Literal["certificate", "revoked", "open"]
RequestState: TypeAlias = Literal["waiting", "running", "completed", "failed", "cancelled"]


class ColonyRow(msgspec.Struct, kw_only=True, gc=False):
    """Table ``colony``: the counts, and how the queen herself is.

    ``joins_waiting`` is null for who may not know. ``streams`` counts those who watch.
    """

    version: str
    boot: str
    hostname: str
    started_at: float
    hives: int
    hives_available: int
    workers: int
    workers_available: int
    gpus: int
    models: int
    waiting: int
    running: int
    tokens_per_s: float | None
    requests_total: int
    requests_failed_total: int
    gpu_util_pct: float | None
    vram_used_mb: float | None
    vram_total_mb: float | None
    joins_waiting: int | None
    cpu_pct: float | None
    rss_mb: float | None
    streams: int


class HiveStateRow(msgspec.Struct, kw_only=True):
    """Table ``hives``, by hive id: what seldom changes.

    The figures in ``devices`` are of the last look; live ones stand in ``nodes``.
    ``route``: how the queen speaks to it. ``membership`` and ``expires_at`` (its
    certificate's) are null for who may not know.
    """

    hive_id: str
    url: str
    state: HiveLiveness
    local: bool
    hostname: str | None
    version: str | None
    address: str | None
    port: int | None
    health_status: str | None
    operational_status: str | None
    labels: list[str]
    outbound_only: bool
    tls: bool
    route: HiveRoute
    membership: Membership | None
    expires_at: float | None
    cpu_cores: int | None
    total_ram_gb: float | None
    devices: list[Device]
    device_problems: list[DeviceProblem]
    engines: list[EngineInfo]
    models: int
    workers: int
    joined_at: float


class NodeRow(msgspec.Struct, kw_only=True, gc=False):
    """Table ``nodes``, by hive id: a machine's figures of its last beat, at ``beat_at``."""

    beat_at: float | None
    cpu_pct: float | None
    ram_used_mb: float | None
    ram_total_mb: float | None
    disk_free_mb: float | None
    gpus: list[GpuFigures]


class WorkerStateRow(msgspec.Struct, kw_only=True, gc=False):
    """Table ``workers``, by worker id: what seldom changes.

    ``serving``: the queen sends it requests now; ``route`` is the way that they go.
    """

    worker_id: str
    hive_id: str
    model: str
    engine: str
    task: Task
    device: str
    status: WorkerStatus
    serving: bool
    port: int
    pid: int | None
    reason: str | None
    route: str | None
    manual: bool
    started_at: float | None
    generation: int
    restarts: int
    context_length: int | None
    slots_total: int | None
    total_vram_mb: float | None
    load_s: float | None


class LoadRow(msgspec.Struct, kw_only=True, gc=False):
    """Table ``loads``, by worker id: its figures of its hive's last beat.

    ``running`` counts this queen's requests there, exactly. ``idle_since`` is null while
    it works, loads, or does not tell.
    """

    slots_busy: int | None
    queued: int | None
    running: int
    tokens_per_s: float | None
    cpu_pct: float | None
    rss_mb: float | None
    vram_mb: float | None
    gpu_util_pct: float | None
    requests_total: int | None
    idle_since: float | None


class ModelStateRow(msgspec.Struct, kw_only=True, gc=False):
    """Table ``models``, by ``hive_id/model_id``: a model as one hive has it."""

    hive_id: str
    model_id: str
    name: str
    size_bytes: int | None
    status: ModelStatus
    quantization: str | None
    architecture: str | None
    context_length: int | None
    loaded: bool
    pinned: bool
    aliases: list[str]
    embedding: bool | None
    rerank: bool | None
    chat_template: bool | None
    tools: bool | None
    sha256: str | None
    source: str | None
    reason: str | None
    last_used_at: float | None
    load_s: float | None
    memory_bytes: int | None


class RequestRow(msgspec.Struct, kw_only=True, gc=False):
    """Table ``requests``, by job id: all that wait or run, and the last 200 that ended.

    ``position`` counts from 1 while it waits. ``client`` is the name of the key that asks,
    null for who may not know. ``reason``: why it waits, why this worker, how it ended.
    ``door`` is the path that it goes to at the worker.
    """

    job_id: str
    model: str
    state: RequestState
    position: int | None
    eta_s: float | None
    since: float
    started_at: float | None
    ended_at: float | None
    client: str | None
    priority: int | None
    worker_id: str | None
    hive_id: str | None
    reason: str | None
    door: str | None


class RequestList(msgspec.Struct, kw_only=True):
    """``GET /v1/requests``: newest first."""

    requests: list[RequestRow]


class DownloadRow(Download, kw_only=True, gc=False):
    """Table ``downloads``, by ``hive_id/model``: as the hive tells it."""

    hive_id: str = ""


class JobStateRow(msgspec.Struct, kw_only=True, gc=False):
    """Table ``jobs``, by job id: recent jobs of the control plane. ``message``: its last words."""

    job_id: str
    operation: str
    status: JobState
    created_at: float
    started_at: float | None
    ended_at: float | None
    message: str | None
    error: str | None
    hive_id: str | None
    model: str | None
    owner: str | None


class EventRow(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """Table ``events``, by ``seq``: something that happened in the colony.

    ``kind`` is what and how (``hive_lost``, ``worker_ready``); ``subject`` is the id of the
    hive, worker, model, request or key.
    """

    seq: int
    at: float
    level: EventLevel
    kind: str
    subject: str
    message: str
    hive_id: str | None = None


class TableChange(msgspec.Struct, kw_only=True, omit_defaults=True, rename={"gone": "del"}):
    """What a delta says of one table: rows that are new or other, and ids that are gone."""

    set: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    gone: list[str] = msgspec.field(default_factory=list[str])


class StateSnapshot(msgspec.Struct, kw_only=True, tag_field="type", tag="snapshot"):
    """The first message of ``/v1/state/stream``: all tables, ids to rows, at Unix time ``at``."""

    at: float
    tables: dict[TableName, dict[str, Any]]


class StateDelta(msgspec.Struct, kw_only=True, tag_field="type", tag="delta"):
    """A later one: what changed since the one before; nothing, when it is only the beat."""

    at: float
    tables: dict[TableName, TableChange]


ROWS: Final = (
    ColonyRow,
    HiveStateRow,
    NodeRow,
    WorkerStateRow,
    LoadRow,
    ModelStateRow,
    RequestRow,
    DownloadRow,
    JobStateRow,
    EventRow,
)
"""What stands in the tables; ``joins`` holds ``JoinRequestRow``."""
