"""What a worker's process uses: CPU, memory, disk traffic, as the system tells it.

Rates are real differences between two looks; the first look has none. Unknown
is null. The supervisor keeps one ``Vitals`` per process and asks each second.
"""

import msgspec
import psutil

from rbee.foundation.processes import ProcessMark, is_alive

_MIB = 1024 * 1024  # bytes


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """One look. ``cpu_pct`` is of one core, so two busy cores are 200."""

    cpu_pct: float | None = None
    rss_mb: float | None = None
    io_r_mb_s: float | None = None
    io_w_mb_s: float | None = None


class Vitals:
    """The looks at one process."""

    def __init__(self, engine: ProcessMark) -> None:
        self._process = psutil.Process(engine.pid) if is_alive(engine) else None
        self._before: tuple[float, float, tuple[float, float] | None] | None = None

    def look(self, now_s: float) -> Usage:
        """What it uses now; ``now_s`` is monotonic."""
        if self._process is None:
            return Usage()
        try:
            with self._process.oneshot():
                times = self._process.cpu_times()
                rss = self._process.memory_info().rss
                traffic = _traffic(self._process)
        except psutil.Error:
            return Usage()
        cpu_s = times.user + times.system
        before, self._before = self._before, (now_s, cpu_s, traffic)
        if before is None or now_s <= before[0]:
            return Usage(rss_mb=round(rss / _MIB, 1))
        passed_s = now_s - before[0]
        read = written = None
        if traffic is not None and before[2] is not None:
            read = round((traffic[0] - before[2][0]) / _MIB / passed_s, 3)
            written = round((traffic[1] - before[2][1]) / _MIB / passed_s, 3)
        return Usage(
            cpu_pct=round(max(0.0, cpu_s - before[1]) / passed_s * 100, 1),
            rss_mb=round(rss / _MIB, 1),
            io_r_mb_s=read,
            io_w_mb_s=written,
        )


def _traffic(process: psutil.Process) -> tuple[float, float] | None:
    """Bytes read and written so far; macOS does not tell."""
    counters = getattr(process, "io_counters", None)
    if counters is None:
        return None
    try:
        found = counters()
    except (psutil.Error, OSError):
        return None
    return float(found.read_bytes), float(found.write_bytes)
