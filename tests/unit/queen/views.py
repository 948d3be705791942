"""Hives, models and workers as values, for tests of pure decisions."""

from collections.abc import Mapping, Sequence

import msgspec

from rbee.contracts.hives import (
    Capabilities,
    Device,
    DeviceType,
    EngineInfo,
    GpuStats,
    HiveInfo,
    NodeStats,
)
from rbee.contracts.ids import HiveId
from rbee.contracts.models import Model
from rbee.contracts.workers import WorkerStats
from rbee.queen.placement_settings import ModelPlacement, PlacementSettings
from rbee.queen.registry.hives import HiveView
from rbee.queen.registry.liveness import HiveState
from rbee.testing.raw_worker import ready_worker

GIB = 1024**3
MIB = 1024**2


def a_hive(
    name: str = "here",
    *,
    models: Sequence[Model] = (),
    workers: Sequence[WorkerStats] = (),
    free_mb: float | None = 8000.0,
    state: HiveState = "fresh",
    local: bool = True,
    cpu_pct: float | None = 0.0,
    labels: Sequence[str] = (),
    capabilities: Capabilities | None = None,
    gpus: Sequence[GpuStats] = (),
) -> HiveView:
    """A hive with 16,000 MiB of memory, of which ``free_mb`` are free."""
    node = NodeStats(cpu_pct=cpu_pct, gpus=list(gpus))
    if free_mb is not None:
        node.ram_total_mb, node.ram_used_mb = 16_000.0, 16_000.0 - free_mb
    return HiveView(
        id=HiveId(name),
        url=f"http://{name}:7835",
        state=state,
        local=local,
        beat_age_s=0.1,
        info=HiveInfo(
            id=name,
            hostname=name,
            address="127.0.0.1",
            port=7835,
            version="0",
            labels=list(labels),
        ),
        node=node,
        capabilities=capabilities,
        told_models=True,
        models=list(models),
        workers=list(workers),
    )


def a_model(name: str = "m", size_bytes: int | None = GIB, **facts: object) -> Model:
    return msgspec.structs.replace(Model(id=name, name=name, size_bytes=size_bytes), **facts)


def a_worker(model: str = "m", name: str | None = None, **facts: object) -> WorkerStats:
    """An idle worker of ``model`` on the CPU."""
    stats = ready_worker(name or f"w-{model}", 9001, model=model)
    stats.slots_busy = 0
    return msgspec.structs.replace(stats, **facts)


def with_devices(
    kinds: Mapping[str, DeviceType], engine_kinds: Sequence[DeviceType]
) -> Capabilities:
    """The capabilities of a hive with these devices and one engine that runs on these kinds."""
    devices = [
        Device(id=name, name=name, device_type=kind, memory_mb=16_000)
        for name, kind in kinds.items()
    ]
    engine = EngineInfo(name="engine", usable=True, device_types=list(engine_kinds))
    return Capabilities(devices=devices, cpu_cores=2, total_ram_gb=16.0, engines=[engine])


def a_gpu(name: str, free_mb: float, total_mb: float = 24_000.0) -> GpuStats:
    return GpuStats(id=name, vram_used_mb=total_mb - free_mb, vram_total_mb=total_mb)


def settings_of(**models: ModelPlacement) -> PlacementSettings:
    return PlacementSettings(models=models)
