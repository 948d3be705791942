"""One row of each table, from what the queen keeps. Pure.

Figures are rounded to what a person can read off: a tenth of a per cent that trembles would
cost a row each second and show nothing.
"""

from collections.abc import Sequence
from math import isfinite

import msgspec

from rbee.contracts.hives import GpuStats
from rbee.contracts.jobs import JobRecord
from rbee.contracts.models import Download, Model
from rbee.contracts.state import (
    DownloadRow,
    GpuFigures,
    HiveRoute,
    HiveStateRow,
    JobStateRow,
    LoadRow,
    Membership,
    ModelStateRow,
    NodeRow,
    WorkerStateRow,
)
from rbee.contracts.workers import WorkerStats
from rbee.queen.registry.hives import HiveEntry


class Standing(msgspec.Struct, frozen=True):
    """How a hive belongs to the colony, and until when its certificate holds."""

    membership: Membership = "open"
    expires_at: float | None = None


def hive_row(
    entry: HiveEntry, *, route: HiveRoute, standing: Standing | None, joined_at: float
) -> HiveStateRow:
    """``standing`` null: whoever sees it may not know. ``joined_at`` is Unix time."""
    info, able = entry.info, entry.capabilities
    return HiveStateRow(
        hive_id=str(entry.id),
        url=entry.url,
        state=entry.state,
        local=entry.local,
        hostname=info.hostname if info else None,
        version=info.version if info else None,
        address=info.address if info else None,
        port=info.port if info else None,
        health_status=info.health_status if info else None,
        operational_status=info.operational_status if info else None,
        labels=info.labels if info else [],
        outbound_only=info.outbound_only if info else False,
        tls=info.tls if info else False,
        route=route,
        membership=None if standing is None else standing.membership,
        expires_at=None if standing is None else standing.expires_at,
        cpu_cores=able.cpu_cores if able else None,
        total_ram_gb=able.total_ram_gb if able else None,
        devices=able.devices if able else [],
        device_problems=able.device_problems if able else [],
        engines=able.engines if able else [],
        models=len(entry.models or ()),
        workers=len(entry.workers),
        joined_at=round(joined_at),
    )


def node_row(entry: HiveEntry, beat_at: float | None) -> NodeRow:
    """``beat_at`` is Unix time."""
    node = entry.node
    return NodeRow(
        beat_at=None if beat_at is None else round(beat_at, 1),
        cpu_pct=tenths(node.cpu_pct),
        ram_used_mb=whole(node.ram_used_mb),
        ram_total_mb=whole(node.ram_total_mb),
        disk_free_mb=whole(node.disk_free_mb),
        gpus=[gpu_figures(gpu) for gpu in node.gpus],
    )


def gpu_figures(gpu: GpuStats) -> GpuFigures:
    """A GPU's second."""
    return (
        gpu.id,
        whole(gpu.util_pct),
        whole(gpu.vram_used_mb),
        whole(gpu.vram_total_mb),
        whole(gpu.temp_c),
        whole(gpu.power_w),
    )


def worker_row(
    stats: WorkerStats,
    hive_id: str,
    *,
    serving: bool,
    route: str | None,
    started_at: float | None,
) -> WorkerStateRow:
    """What seldom changes of a worker."""
    return WorkerStateRow(
        worker_id=stats.worker_id,
        hive_id=hive_id,
        model=stats.model,
        engine=stats.engine,
        task=stats.task,
        device=stats.device,
        # Under load it changes with every beat; `loads` says how many slots are busy.
        status="ready" if stats.status == "busy" else stats.status,
        serving=serving,
        port=stats.port,
        pid=stats.pid,
        reason=stats.reason,
        route=route,
        manual=stats.manual,
        started_at=started_at,
        generation=stats.generation,
        restarts=stats.restarts,
        context_length=stats.context_length,
        slots_total=stats.slots_total,
        total_vram_mb=whole(stats.total_vram_mb),
        load_s=tenths(stats.load_s),
    )


def load_row(stats: WorkerStats, *, running: int, idle_since: float | None) -> LoadRow:
    """A worker's second. ``running`` are this queen's requests there."""
    return LoadRow(
        slots_busy=stats.slots_busy,
        queued=stats.queued,
        running=running,
        tokens_per_s=tenths(stats.tokens_per_s),
        cpu_pct=tenths(stats.cpu_pct),
        rss_mb=whole(stats.rss_mb),
        vram_mb=whole(stats.vram_mb),
        gpu_util_pct=whole(stats.gpu_util_pct),
        requests_total=stats.requests_total,
        idle_since=idle_since,
    )


def model_row(model: Model, hive_id: str) -> ModelStateRow:
    """A model as a hive's catalogue has it."""
    return ModelStateRow(
        hive_id=hive_id,
        model_id=model.id,
        name=model.name,
        size_bytes=model.size_bytes,
        status=model.status,
        quantization=model.quantization,
        architecture=model.architecture,
        context_length=model.context_length,
        loaded=model.loaded,
        pinned=model.pinned,
        aliases=model.aliases,
        embedding=model.embedding,
        rerank=model.rerank,
        chat_template=model.chat_template,
        tools=model.tools,
        sha256=model.sha256,
        source=model.source,
        reason=model.reason,
        last_used_at=model.last_used_at,
        load_s=model.load_s,
        memory_bytes=model.memory_bytes,
    )


def download_row(download: Download, hive_id: str) -> DownloadRow:
    """A model on its way to a hive."""
    fields = {name: getattr(download, name) for name in Download.__struct_fields__}
    return DownloadRow(**fields, hive_id=hive_id)


def job_row(
    record: JobRecord,
    *,
    message: str | None,
    hive_id: str | None,
    model: str | None,
    owner: str | None,
) -> JobStateRow:
    """A job of the control plane. ``message`` is the last thing that it said."""
    return JobStateRow(
        job_id=record.job_id,
        operation=record.operation,
        status=record.status,
        created_at=record.created_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        message=message,
        error=record.error,
        hive_id=hive_id,
        model=model,
        owner=owner,
    )


def tenths(value: float | None) -> float | None:
    """To a tenth."""
    return None if value is None else round(value, 1)


def whole(value: float | None) -> float | None:
    """To a whole number, as an integer in JSON; a sum that is beyond all bounds is unknown."""
    return None if value is None or not isfinite(value) else round(value)


def known_sum(values: Sequence[float | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def known_mean(values: Sequence[float | None]) -> float | None:
    """The mean of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
