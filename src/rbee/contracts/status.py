"""``data`` of the ``status`` and ``infer`` operations' events. Unknown is null."""

from typing import Literal

import msgspec

from rbee.contracts.hives import Device, EngineInfo, NodeStats
from rbee.contracts.openai import Usage
from rbee.contracts.workers import WorkerStats

HiveLiveness = Literal["fresh", "degraded", "down", "gone"]


class HiveRow(msgspec.Struct, kw_only=True):
    """A hive at a glance. ``local`` says whether it is on the queen's own machine."""

    hive_id: str
    url: str
    state: HiveLiveness
    local: bool
    beat_age_s: float | None
    hostname: str | None
    version: str | None
    node: NodeStats
    devices: list[Device]
    engines: list[EngineInfo]
    models: int
    workers: int


class WorkerRow(msgspec.Struct, kw_only=True):
    """A worker at a glance: its hive, what that says of it, and the queen's ``route`` to it.

    ``route``: ``local``, ``direct`` (TLS that ends in the worker), ``plain`` (on a network
    declared trusted), ``tunnel`` (through its hive's link); null: there is none now.
    """

    hive_id: str
    worker: WorkerStats
    route: str | None = None


class StatusComplete(msgspec.Struct, kw_only=True):
    """``status_complete``: the counts. ``waiting`` requests stand in the queue."""

    hives: int
    hives_available: int
    workers: int
    workers_available: int
    models: int
    waiting: int


class InferQueued(msgspec.Struct, kw_only=True):
    """``infer_queued``: told again when the position or the reason changes."""

    position: int
    eta_s: float | None
    waited_s: float
    reason: str


class InferSpawning(msgspec.Struct, kw_only=True):
    """``infer_worker_spawn``: no worker has the model, one is started there."""

    model: str
    hive_id: str
    why: list[str]
    download: bool


class InferSelected(msgspec.Struct, kw_only=True):
    """``infer_worker_sel``: the worker that answers."""

    worker_id: str
    hive_id: str
    model: str
    queue_ms: int
    why: str


class InferResumed(msgspec.Struct, kw_only=True):
    """``infer_resumed``: the answer goes on after what was said so far.

    ``reason`` is ``queen_restarted`` or ``worker_lost``; ``pieces`` is the number
    of token events so far, 0 when the answer begins anew.
    """

    reason: Literal["queen_restarted", "worker_lost"]
    pieces: int
    restarts: int = 0
    worker_id: str | None = None


class InferComplete(msgspec.Struct, kw_only=True):
    """``infer_complete``. ``text`` is the whole answer where it was not streamed."""

    worker_id: str
    hive_id: str
    model: str
    queue_ms: int
    tokens: int | None
    tokens_per_s: float | None
    finish_reason: str | None
    usage: Usage | None = None
    text: str | None = None
