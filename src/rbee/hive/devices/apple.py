"""Apple's devices: the GPU of Apple silicon, which shares the machine's memory.

``system_profiler SPDisplaysDataType -json`` names it, ``sysctl`` gives the
memory and the limit that an owner may have set for the GPU, ``ioreg`` its load
without root rights. Temperature and power need root (``powermetrics``): unknown.
"""

import platform
import re
import sys
from typing import Final

import msgspec

from rbee.contracts.hives import Device, GpuStats
from rbee.hive.devices import figures
from rbee.hive.devices.command import CommandMissing, Runner, run_command
from rbee.hive.devices.probe import GpuProcess, ProbeFailed

APPLE_ID: Final = "apple-0"
PROFILER_ARGV: Final = ("/usr/sbin/system_profiler", "SPDisplaysDataType", "-json")
SYSCTL_ARGV: Final = ("/usr/sbin/sysctl", "-n")
IOREG_ARGV: Final = ("/usr/sbin/ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator")
_READ_EVERY_S: Final = 5.0  # ioreg is a process of some 10 ms

_LOAD: Final = re.compile(r'"Device Utilization %"=(\d{1,3})\b')
_IN_USE: Final = re.compile(r'"In use system memory"=(\d{1,16})\b')

SMALL_MACHINE_MB: Final = 36 * 1024  # up to here macOS gives the GPU the smaller share
SMALL_SHARE: Final = 2 / 3  # Metal's recommendedMaxWorkingSetSize there, as seen on M1 to M3
LARGE_SHARE: Final = 3 / 4  # and above


class _Display(msgspec.Struct):
    sppci_model: str | None = None
    spdisplays_vendor: str | None = None
    spdisplays_mtlgpufamilysupport: str | None = None
    sppci_device_type: str | None = None


class _Profile(msgspec.Struct):
    displays: list[_Display] = msgspec.field(name="SPDisplaysDataType")


class AppleProbe:
    """The GPU of an Apple chip; ``run`` is the outside, ``here`` whether this is one."""

    vendor = "apple"
    read_every_s = _READ_EVERY_S

    def __init__(self, run: Runner = run_command, *, here: bool | None = None) -> None:
        silicon = sys.platform == "darwin" and platform.machine() == "arm64"
        self._here = silicon if here is None else here
        self._run = run
        self._total_mb: float | None = None
        self._found = False

    def detect(self) -> list[Device]:
        """What is there.

        Raises:
            ProbeFailed: system_profiler failed or wrote something else.
        """
        self._found = False
        if not self._here:
            return []
        try:
            text = self._run(PROFILER_ARGV)
        except CommandMissing:
            return []
        try:
            displays = msgspec.json.decode(text.encode(), type=_Profile).displays
        except (msgspec.MsgspecError, UnicodeEncodeError):
            raise ProbeFailed("system_profiler wrote something that is not its JSON") from None
        gpu = next((display for display in displays if _is_apples(display)), None)
        if gpu is None:
            return []
        self._found = True
        self._total_mb = figures.memory_mb(self._sysctl("hw.memsize"), unit_bytes=1)
        return [self._device(gpu)]

    def read(self) -> list[GpuStats]:
        """How it is now; ``vram_used_mb`` is what the GPU has of the shared memory."""
        if not self._found:
            return []
        try:
            said = self._run(IOREG_ARGV)
        except ProbeFailed:
            said = ""
        return [
            GpuStats(
                id=APPLE_ID,
                util_pct=figures.share_pct(_first(_LOAD, said)),
                vram_used_mb=figures.memory_mb(_first(_IN_USE, said), unit_bytes=1),
                vram_total_mb=self._total_mb,
            )
        ]

    def processes(self) -> list[GpuProcess]:
        """Nobody: macOS tells it to root alone."""
        return []

    def _device(self, gpu: _Display) -> Device:
        stats = self.read()[0]
        usable_mb = usable_share_mb(self._total_mb, self._sysctl("iogpu.wired_limit_mb"))
        family = figures.words(gpu.spdisplays_mtlgpufamilysupport)
        return Device(
            id=APPLE_ID,
            name=figures.words(gpu.sppci_model) or "Apple GPU",
            device_type="metal",
            vendor="apple",
            vram_gb=None if self._total_mb is None else round(self._total_mb / 1024, 2),
            memory_mb=None if self._total_mb is None else int(self._total_mb),
            compute_capability=family.removeprefix("spdisplays_") if family else None,
            index=0,
            unified_memory=True,
            memory_total_mb=self._total_mb,
            memory_used_mb=stats.vram_used_mb,
            memory_usable_mb=usable_mb,
            util_pct=stats.util_pct,
        )

    def _sysctl(self, name: str) -> str | None:
        try:
            return self._run((*SYSCTL_ARGV, name)).strip()
        except ProbeFailed:
            return None  # macOS before 14 has no iogpu.wired_limit_mb


def usable_share_mb(total_mb: float | None, limit: str | None) -> float | None:
    """What of the shared memory the GPU may take, in MiB.

    ``limit`` is what the owner set with ``sysctl iogpu.wired_limit_mb``; 0 is
    macOS's own share, which is a rule of thumb here, not a figure it tells.
    """
    if total_mb is None:
        return None
    limit_mb = figures.memory_mb(limit)
    if limit_mb:
        return min(limit_mb, total_mb)
    share = SMALL_SHARE if total_mb <= SMALL_MACHINE_MB else LARGE_SHARE
    return round(total_mb * share, 1)


def _is_apples(display: _Display) -> bool:
    vendor = (display.spdisplays_vendor or "").lower()
    return "apple" in vendor or (display.sppci_model or "").startswith("Apple ")


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None
