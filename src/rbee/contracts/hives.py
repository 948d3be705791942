"""A hive: what it has, how it is, what it tells the queen each second.

What comes with each beat is made without the garbage collector's book-keeping (``gc=False``;
nothing in it can refer back to itself): with 10,000 hives it would look through all of
it every other second, and everybody would wait for that.
"""

from typing import Literal

import msgspec

from rbee.contracts.models import Download, Model
from rbee.contracts.workers import WorkerStats

DeviceType = Literal["cpu", "cuda", "rocm", "metal", "vulkan"]


class Device(msgspec.Struct, kw_only=True):
    """One thing that can hold a model. Unknown is null, never 0 and never a guess.

    ``memory_mb`` is all of its memory in MiB, RAM for the CPU; ``vram_gb`` is the
    same in GiB, for GPUs alone. ``memory_usable_mb`` is what models may take of it
    where the system allows less than all. ``compute_capability`` is the maker's
    word for a generation (``9.0``, ``gfx1100``, ``metal3``). ``uuid`` and ``index``
    are the maker's own names, by which a worker is bound to it. Used and free
    memory, utilisation, temperature and power are of the last look. ``reason``
    says why a device that is there cannot be used.
    """

    id: str
    name: str
    device_type: DeviceType
    vram_gb: float | None = None
    memory_mb: int | None = None
    compute_capability: str | None = None
    driver: str | None = None
    vendor: str | None = None
    uuid: str | None = None
    index: int | None = None
    unified_memory: bool | None = None
    memory_total_mb: float | None = None
    memory_used_mb: float | None = None
    memory_free_mb: float | None = None
    memory_usable_mb: float | None = None
    util_pct: float | None = None
    temp_c: float | None = None
    power_w: float | None = None
    instruction_sets: list[str] | None = None
    reason: str | None = None


class DeviceProblem(msgspec.Struct, kw_only=True):
    """Why nothing, or not all, is known of one maker's devices."""

    vendor: str
    reason: str


class EngineInfo(msgspec.Struct, kw_only=True):
    """An engine on a hive, and why it cannot be used if it cannot.

    ``device_types`` are the kinds of devices that it runs on when it is chosen by
    itself; empty for one that has to be asked for by name.
    """

    name: str
    usable: bool
    version: str | None = None
    reason: str | None = None
    device_types: list[DeviceType] = msgspec.field(default_factory=list[DeviceType])


class EngineList(msgspec.Struct, kw_only=True):
    """``GET {hive}/v1/engines``, and ``POST {hive}/v1/engines/probe``, which tries all anew."""

    engines: list[EngineInfo]


class Capabilities(msgspec.Struct, kw_only=True):
    """``GET {hive}/v1/capabilities`` (**S**). ``?refresh=1`` looks for devices anew."""

    devices: list[Device]
    cpu_cores: int
    total_ram_gb: float
    engines: list[EngineInfo] = msgspec.field(default_factory=list[EngineInfo])
    device_problems: list[DeviceProblem] = msgspec.field(default_factory=list[DeviceProblem])


class HiveInfo(msgspec.Struct, kw_only=True, gc=False):
    """Who the hive is. ``address`` and ``port`` are where others reach it.

    ``labels`` are the operator's own words for it (``gpu``, ``room-2``): a model or a
    request may be kept to hives that have them. ``outbound_only``: nothing of this hive
    listens for others; all goes over the link that it opened. ``tls``: its port is for TLS,
    with the colony's certificates.
    """

    id: str
    hostname: str
    address: str
    port: int
    version: str
    operational_status: Literal["ready", "starting", "stopping"] = "ready"
    health_status: Literal["healthy", "degraded"] = "healthy"
    labels: list[str] = msgspec.field(default_factory=list[str])
    outbound_only: bool = False
    tls: bool = False


class GpuStats(msgspec.Struct, kw_only=True, gc=False):
    """A GPU's telemetry. Unknown is null."""

    id: str
    util_pct: float | None = None
    vram_used_mb: float | None = None
    vram_total_mb: float | None = None
    temp_c: float | None = None
    power_w: float | None = None


class NodeStats(msgspec.Struct, kw_only=True, gc=False):
    """The machine's telemetry. ``disk_free_mb`` is of the models' disk."""

    cpu_pct: float | None = None
    ram_used_mb: float | None = None
    ram_total_mb: float | None = None
    disk_free_mb: float | None = None
    gpus: list[GpuStats] = msgspec.field(default_factory=list[GpuStats])


class Heartbeat(msgspec.Struct, kw_only=True, gc=False):
    """``POST /v1/hive-heartbeat`` (**S**), every second and at every change.

    ``capabilities``, ``models`` and ``worker_keys`` are sent when they changed
    or when the last ack wanted them; null means "as before". ``worker_keys``
    maps worker ids to the bearer secrets that the queen needs to reach them; it
    is never passed on to anyone. ``downloads`` are all models on their way; null
    comes from a hive that does not tell them.
    """

    hive_id: str
    hive_info: HiveInfo
    node: NodeStats
    workers: list[WorkerStats]
    timestamp: float
    capabilities: Capabilities | None = None
    models: list[Model] | None = None
    worker_keys: dict[str, str] | None = None
    downloads: list[Download] | None = None


Wanted = Literal["capabilities", "models", "worker_keys"]


class HeartbeatAck(msgspec.Struct, kw_only=True, gc=False):
    """The queen's answer; ``wanted`` names what the next beat should carry."""

    status: Literal["ok"] = "ok"
    message: str = ""
    wanted: list[Wanted] = msgspec.field(default_factory=list[Wanted])


class HiveReady(msgspec.Struct, kw_only=True):
    """``POST /v1/hive/ready`` (**S**): a hive that joins."""

    hive_id: str
    hive_url: str
    token: str | None = None


class HiveReadyAck(msgspec.Struct, kw_only=True):
    """The queen's answer to a hive that joins."""

    status: Literal["accepted"] = "accepted"
    message: str = ""


class HiveTelemetry(msgspec.Struct, kw_only=True, tag_field="type", tag="hive_telemetry"):
    """One hive's second on ``GET /v1/heartbeats/stream`` (**S**)."""

    hive_id: str
    timestamp: float
    node: NodeStats
    workers: list[WorkerStats]


class QueenTelemetry(msgspec.Struct, kw_only=True, tag_field="type", tag="queen"):
    """The colony's counts on ``GET /v1/heartbeats/stream``, every 2.5 s (**S**)."""

    workers_online: int
    workers_available: int
    hives_online: int
    hives_available: int
    worker_ids: list[str]
    hive_ids: list[str]
    timestamp: float
