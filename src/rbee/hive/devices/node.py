"""The machine's telemetry, each second: CPU, memory, room on the models' disk.

Values are measured between two looks; the first look has no CPU load yet.
Unknown is null, never 0.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import psutil

from rbee.contracts.hives import GpuStats, NodeStats

_MIB = 1024 * 1024  # bytes


class Node:
    """The looks at this machine."""

    def __init__(
        self, models_root: Path, gpus: Callable[[], list[GpuStats]] = list[GpuStats]
    ) -> None:
        """``gpus`` gives the last reading of all GPUs."""
        self._models_root = models_root
        self._gpus = gpus
        self._before: tuple[float, float] | None = None

    def look(self) -> NodeStats:
        """How the machine is now."""
        memory = psutil.virtual_memory()
        return NodeStats(
            cpu_pct=self._cpu_pct(),
            ram_used_mb=round((memory.total - memory.available) / _MIB, 1),
            ram_total_mb=round(memory.total / _MIB, 1),
            disk_free_mb=_disk_free_mb(self._models_root),
            gpus=self._gpus(),
        )

    def _cpu_pct(self) -> float | None:
        """Busy share of all cores since the last look, in percent."""
        times = psutil.cpu_times()
        idle_s = times.idle + getattr(times, "iowait", 0.0)
        # On Linux, time in guests is counted in user already.
        all_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        before, self._before = self._before, (idle_s, all_s)
        if before is None or all_s <= before[1]:
            return None
        idle_share = (idle_s - before[0]) / (all_s - before[1])
        return round(min(100.0, max(0.0, (1.0 - idle_share) * 100)), 1)


def _disk_free_mb(path: Path) -> float | None:
    """Room on the disk that holds ``path``, which need not exist yet."""
    for place in (path, *path.parents):
        try:
            return round(shutil.disk_usage(place).free / _MIB, 1)
        except OSError:
            continue
    return None
