"""Whose is what on the GPUs: from processes on devices to workers. Pure.

Comes from ``inventory`` (what drivers tell of pids), goes into the workers'
telemetry. A driver that does not tell of processes leaves null, never the whole
device's figures: two workers may share it.
"""

from collections.abc import Collection, Sequence

import msgspec

from rbee.contracts.hives import Device
from rbee.hive.devices.probe import GpuProcess


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """A process on a device, with its parents: an engine may compute in a child."""

    process: GpuProcess
    ancestors: tuple[int, ...] = ()


class GpuUse(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's part. ``util_pct`` is the mean over its devices. Unknown is null."""

    util_pct: float | None = None
    vram_mb: float | None = None
    total_vram_mb: float | None = None


def use_of(
    pid: int | None, device_ids: Collection[str], used: Sequence[Used], devices: Sequence[Device]
) -> GpuUse:
    """What the process tree of ``pid`` uses of its devices."""
    totals = [
        device.memory_total_mb
        for device in devices
        if device.id in device_ids and device.device_type != "cpu"
    ]
    total_mb = _sum(totals) if totals else None
    mine = [
        entry.process
        for entry in used
        if pid is not None and (entry.process.pid == pid or pid in entry.ancestors)
    ]
    if not mine:
        return GpuUse(total_vram_mb=total_mb)
    loads = _sum([process.util_pct for process in mine])
    places = len({process.device_id for process in mine})
    return GpuUse(
        util_pct=None if loads is None else round(min(100.0, loads / places), 1),
        vram_mb=_sum([process.vram_mb for process in mine]),
        total_vram_mb=total_mb,
    )


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum; unknown as soon as one of them is."""
    known = [value for value in values if value is not None]
    return round(sum(known), 1) if len(known) == len(values) else None
