"""A worker: one model in one process."""

from typing import Literal

import msgspec

WorkerStatus = Literal["starting", "ready", "busy", "draining", "stopping", "stopped", "error"]

Task = Literal["generate", "embeddings", "rerank"]
"""What a worker was started for: an engine does one of them well, not all."""

SERVING: frozenset[WorkerStatus] = frozenset({"ready", "busy"})
"""Statuses in which a worker takes requests."""

COMING: frozenset[WorkerStatus] = frozenset({"starting"})
"""Statuses that the queen counts as capacity on its way."""


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that keeps a worker from harming others: in force, or why it is not.

    ``reason`` also says how it is in force, for instance the limit in numbers.
    """

    name: str
    in_force: bool
    reason: str | None = None


class WorkerStats(msgspec.Struct, kw_only=True, gc=False):
    """What a hive says of a worker in each heartbeat. Unknown is null.

    ``generation`` counts the processes that this worker has been: a restart
    after a crash keeps ``worker_id`` and adds one, so that "dead at once" for one
    process is never held against the next. ``unary_cancel`` says whether the
    engine notices a caller who does not stream and leaves; where it does not,
    the queen asks for a stream and assembles the answer. ``manual`` workers were
    spawned by hand and are never idled out. ``idle_s``: for how long it has at least
    done nothing, as far as this hive saw; null while it works, loads, or does not
    tell. ``load_s`` is how long this very process took from its start to its first
    token. ``reason`` explains ``error``.
    ``isolation`` is told of one worker at a time (``worker_process_get``), not in
    each beat. ``port`` is the engine's own, on its machine's loopback; ``tls_port`` is
    where the worker takes the queen's TLS connections from other machines, null where
    it does not.
    """

    worker_id: str
    model: str
    engine: str
    status: WorkerStatus
    port: int
    device: str
    address: str = "127.0.0.1"
    task: Task = "generate"
    pid: int | None = None
    generation: int = 1
    restarts: int = 0
    slots_total: int | None = None
    slots_busy: int | None = None
    queued: int | None = None
    cpu_pct: float | None = None
    rss_mb: float | None = None
    io_r_mb_s: float | None = None
    io_w_mb_s: float | None = None
    uptime_s: float | None = None
    gpu_util_pct: float | None = None
    vram_mb: float | None = None
    total_vram_mb: float | None = None
    tokens_per_s: float | None = None
    requests_total: int | None = None
    context_length: int | None = None
    unary_cancel: bool = False
    manual: bool = False
    load_s: float | None = None
    idle_s: float | None = None
    reason: str | None = None
    isolation: list[Protection] | None = None
    tls_port: int | None = None


class WorkerProcess(msgspec.Struct, kw_only=True):
    """``data`` of worker events and listings (**S**)."""

    pid: int | None
    worker_id: str
    model: str
    port: int
    device: str
    engine: str
    status: WorkerStatus
    reason: str | None = None


def as_process(stats: WorkerStats) -> WorkerProcess:
    """The short form of a worker, for job events."""
    return WorkerProcess(
        pid=stats.pid,
        worker_id=stats.worker_id,
        model=stats.model,
        port=stats.port,
        device=stats.device,
        engine=stats.engine,
        status=stats.status,
        reason=stats.reason,
    )
