"""NVIDIA's devices as ``nvidia-smi`` tells them: the way when NVML cannot be used.

Formats: ``nvidia-smi --help-query-gpu`` and ``--help-query-compute-apps``; asked
for as CSV without header and units. A line that was cut is not believed, not
even in part: half a number is another number.
"""

import csv
from typing import Final

from rbee.contracts.hives import Device, GpuStats
from rbee.hive.devices import figures
from rbee.hive.devices.command import Runner
from rbee.hive.devices.probe import GpuProcess, ProbeFailed

COMMAND: Final = "nvidia-smi"
READ_EVERY_S: Final = 5.0  # a start of it costs 20 to 100 ms of CPU

_FACTS: Final = (
    "index", "uuid", "name", "driver_version", "compute_cap", "mig.mode.current",
    "memory.total", "memory.used", "memory.free", "utilization.gpu", "temperature.gpu",
    "power.draw",
)  # fmt: skip
_APPS: Final = ("gpu_uuid", "pid", "used_memory")
_NO_DEVICES: Final = "no devices were found"

FACTS_ARGV: Final = (COMMAND, f"--query-gpu={','.join(_FACTS)}", "--format=csv,noheader,nounits")
APPS_ARGV: Final = (
    COMMAND, f"--query-compute-apps={','.join(_APPS)}", "--format=csv,noheader,nounits"
)  # fmt: skip


class NvidiaSmi:
    """The tool's answers as devices. Ids are ``nvidia-<index>``."""

    def __init__(self, run: Runner) -> None:
        self._run = run
        self._id_of_uuid: dict[str, str] = {}

    def detect(self) -> list[Device]:
        """What is there.

        Raises:
            CommandMissing: there is no nvidia-smi.
            ProbeFailed: it failed, or wrote nothing that can be read.
        """
        rows = self._rows()
        devices = [_device(row) for row in rows]
        self._id_of_uuid = {device.uuid: device.id for device in devices if device.uuid}
        return devices

    def read(self) -> list[GpuStats]:
        """How they are now.

        Raises:
            ProbeFailed: it failed, or wrote nothing that can be read.
        """
        return [
            GpuStats(
                id=_id(row),
                util_pct=figures.share_pct(row["utilization.gpu"]),
                vram_used_mb=figures.memory_mb(row["memory.used"]),
                vram_total_mb=figures.memory_mb(row["memory.total"]),
                temp_c=figures.temperature_c(row["temperature.gpu"]),
                power_w=figures.power_w(row["power.draw"]),
            )
            for row in self._rows()
        ]

    def processes(self) -> list[GpuProcess]:
        """Who computes on them, with their memory; the tool tells no utilisation.

        Raises:
            ProbeFailed: it failed.
        """
        found: list[GpuProcess] = []
        for row in _table(self._run(APPS_ARGV), _APPS):
            pid, device_id = figures.count(row["pid"]), self._id_of_uuid.get(row["gpu_uuid"])
            if pid and device_id:
                vram_mb = figures.memory_mb(row["used_memory"])
                found.append(GpuProcess(device_id=device_id, pid=pid, vram_mb=vram_mb))
        return found

    def _rows(self) -> list[dict[str, str]]:
        text = self._run(FACTS_ARGV)
        rows = [row for row in _table(text, _FACTS) if figures.count(row["index"]) is not None]
        if not rows and text.strip() and _NO_DEVICES not in text.lower():
            raise ProbeFailed(f"{COMMAND} wrote nothing that can be read")
        return rows


def _table(text: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The whole lines with the right number of columns."""
    whole = text[: text.rfind("\n") + 1]  # a last line without its end was cut
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(whole.splitlines())]
    except csv.Error:
        return []
    return [dict(zip(columns, row, strict=True)) for row in rows if len(row) == len(columns)]


def _id(row: dict[str, str]) -> str:
    return f"nvidia-{figures.count(row['index'])}"


def _device(row: dict[str, str]) -> Device:
    total_mb = figures.memory_mb(row["memory.total"])
    sliced = row["mig.mode.current"].strip().lower() == "enabled"
    return Device(
        id=_id(row),
        name=figures.words(row["name"]) or "NVIDIA GPU",
        device_type="cuda",
        vendor="nvidia",
        vram_gb=None if total_mb is None else round(total_mb / 1024, 2),
        memory_mb=None if total_mb is None else int(total_mb),
        compute_capability=figures.words(row["compute_cap"]),
        driver=figures.words(row["driver_version"]),
        uuid=figures.words(row["uuid"]),
        index=figures.count(row["index"]),
        memory_total_mb=total_mb,
        memory_used_mb=figures.memory_mb(row["memory.used"]),
        memory_free_mb=figures.memory_mb(row["memory.free"]),
        util_pct=figures.share_pct(row["utilization.gpu"]),
        temp_c=figures.temperature_c(row["temperature.gpu"]),
        power_w=figures.power_w(row["power.draw"]),
        reason="it is in MIG mode, and its parts are told by NVML alone" if sliced else None,
    )
