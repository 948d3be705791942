"""The CPU with the machine's memory: the device that is always there."""

import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from rbee.contracts.hives import Device, GpuStats
from rbee.hive.devices import figures, instruction_sets
from rbee.hive.devices.command import Runner, run_command
from rbee.hive.devices.probe import GpuProcess, ProbeFailed

CPU_ID: Final = "CPU-0"
CPUINFO: Final = Path("/proc/cpuinfo")
_SYSCTL_ARGV: Final = ("/usr/sbin/sysctl", "-n")
_READ_EVERY_S: Final = 5.0  # only its memory, which the node's telemetry has each second


class CpuProbe:
    """All cores as one device; engines spread over them by themselves.

    ``run``, ``cpuinfo``, ``system`` and ``present`` (Windows) are the outside.
    """

    vendor = "cpu"
    read_every_s = _READ_EVERY_S

    def __init__(
        self,
        run: Runner = run_command,
        *,
        cpuinfo: Path = CPUINFO,
        system: str = sys.platform,
        present: Callable[[int], bool] | None = None,
    ) -> None:
        self._run = run
        self._cpuinfo = cpuinfo
        self._system = system
        self._present = present or _windows_has

    def detect(self) -> list[Device]:
        """The one CPU device, with all of the machine's memory."""
        memory = psutil.virtual_memory()
        return [
            Device(
                id=CPU_ID,
                name=self._name(),
                device_type="cpu",
                vendor="cpu",
                index=0,
                memory_mb=memory.total // figures.MIB,
                memory_total_mb=round(memory.total / figures.MIB, 1),
                memory_used_mb=round((memory.total - memory.available) / figures.MIB, 1),
                memory_free_mb=round(memory.available / figures.MIB, 1),
                instruction_sets=self._instruction_sets(),
            )
        ]

    def read(self) -> list[GpuStats]:
        """Its memory now; its load is the node's."""
        memory = psutil.virtual_memory()
        return [
            GpuStats(
                id=CPU_ID,
                vram_used_mb=round((memory.total - memory.available) / figures.MIB, 1),
                vram_total_mb=round(memory.total / figures.MIB, 1),
            )
        ]

    def processes(self) -> list[GpuProcess]:
        """Nobody in particular: every process is on the CPU."""
        return []

    def _name(self) -> str:
        """The processor's name as its maker gives it, as far as the system tells."""
        name: str | None = None
        if self._system == "darwin":
            name = figures.words(self._sysctl("machdep.cpu.brand_string"))
        elif self._system == "linux":
            name = figures.words(_model_name(self._read_cpuinfo()))
        return name or figures.words(platform.processor()) or platform.machine() or "CPU"

    def _instruction_sets(self) -> list[str] | None:
        if self._system == "darwin":
            return instruction_sets.from_sysctl(self._sysctl)
        if self._system == "linux":
            return instruction_sets.from_cpuinfo(self._read_cpuinfo())
        if self._system == "win32":
            return instruction_sets.from_windows(self._present)
        return None

    def _read_cpuinfo(self) -> str:
        try:
            return self._cpuinfo.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _sysctl(self, name: str) -> str | None:
        try:
            return self._run((*_SYSCTL_ARGV, name)).strip()
        except ProbeFailed:
            return None


def cpu_cores() -> int:
    """Cores that this process may use, hyper-threads included."""
    process = psutil.Process()
    affinity = getattr(process, "cpu_affinity", None)  # not on macOS
    return len(affinity()) if affinity is not None else (psutil.cpu_count() or 1)


def _model_name(cpuinfo: str) -> str | None:
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value
    return None


def _windows_has(feature: int) -> bool:
    """``IsProcessorFeaturePresent`` of kernel32."""
    if sys.platform != "win32":
        return False
    import ctypes  # noqa: PLC0415  only Windows needs it, and it is slow to load

    return bool(ctypes.windll.kernel32.IsProcessorFeaturePresent(feature))
