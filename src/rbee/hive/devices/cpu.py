"""The CPU with the machine's memory: the device that is always there."""

import platform
import subprocess
import sys
from pathlib import Path

import psutil

from rbee.contracts.hives import Device

CPU_ID = "CPU-0"
_MIB = 1024 * 1024  # bytes
_SYSCTL_S = 2.0  # it answers in some ms; a hive's start must not hang on it


class CpuProbe:
    """All cores as one device; engines spread over them by themselves."""

    def devices(self) -> list[Device]:
        """The one CPU device, with all of the machine's memory."""
        memory_mb = psutil.virtual_memory().total // _MIB
        return [Device(id=CPU_ID, name=cpu_name(), device_type="cpu", memory_mb=memory_mb)]


def cpu_name() -> str:
    """The processor's name as its maker gives it, as far as the system tells."""
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.machine()
    if sys.platform == "linux":
        return _from_cpuinfo() or platform.machine()
    return platform.processor() or platform.machine()


def cpu_cores() -> int:
    """Cores that this process may use, hyper-threads included."""
    process = psutil.Process()
    affinity = getattr(process, "cpu_affinity", None)  # not on macOS
    return len(affinity()) if affinity is not None else (psutil.cpu_count() or 1)


def _from_cpuinfo() -> str | None:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return " ".join(value.split()) or None
    return None


def _sysctl(name: str) -> str | None:
    try:
        told = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, timeout=_SYSCTL_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.decode(errors="replace").strip() or None
