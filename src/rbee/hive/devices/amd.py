"""AMD's devices: through ``amdsmi`` where ROCm installed it, else through /sys.

``amdsmi`` comes with ROCm, not with rbee. Names and units are those of the AMD
SMI Python API reference (memory in MB of 2**20 bytes, a process's in bytes,
power in watts, temperature in degrees); versions differ in what they have, so
every question may fail alone.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

import msgspec

from rbee.contracts.hives import Device, GpuStats
from rbee.hive.devices import figures
from rbee.hive.devices.amd_sysfs import SYSFS, AmdSysfs
from rbee.hive.devices.library import Library
from rbee.hive.devices.probe import GpuProcess, ProbeFailed

_READ_EVERY_S: Final = 1.0  # wire.md: a beat each second


def load_amdsmi() -> object | None:
    """The module, or None when it is not installed or finds no library of ROCm's."""
    if sys.platform != "linux":
        return None
    try:  # lazily: it loads ROCm's library, which few hives have
        return importlib.import_module("amdsmi")
    except (ImportError, OSError, AttributeError, KeyError):
        return None


class _Gpu(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    handle: object


class AmdProbe:
    """All AMD devices; ``load`` and ``sysfs`` are the outside."""

    vendor = "amd"
    read_every_s = _READ_EVERY_S

    def __init__(
        self, load: Callable[[], object | None] = load_amdsmi, sysfs: Path = SYSFS
    ) -> None:
        self._load = load
        self._sysfs = AmdSysfs(sysfs)
        self._smi: Library | None = None
        self._gpus: list[_Gpu] = []

    def detect(self) -> list[Device]:
        """What is there, asked anew.

        Raises:
            ProbeFailed: the library fails and the kernel shows no device either.
        """
        self._close()
        module = self._load()
        if module is None:
            return self._sysfs.detect()
        smi = Library(module, "AmdSmiException")
        try:
            smi.must("amdsmi_init")
            self._smi = smi
            handles = cast("list[object]", smi.must("amdsmi_get_processor_handles"))
        except smi.error as error:
            self._close()
            found = self._sysfs.detect()
            if found:
                return found
            raise ProbeFailed(f"amdsmi failed: {_said(error)}") from None
        self._gpus = [_Gpu(id=f"amd-{index}", handle=h) for index, h in enumerate(handles)]
        return [self._device(smi, gpu) for gpu in self._gpus]

    def read(self) -> list[GpuStats]:
        """How they are now."""
        smi = self._smi
        if smi is None:
            return self._sysfs.read()
        return [self._stats(smi, gpu) for gpu in self._gpus]

    def processes(self) -> list[GpuProcess]:
        """Who has memory on them; AMD tells no load of a process."""
        smi = self._smi
        if smi is None:
            return self._sysfs.processes()
        found: list[GpuProcess] = []
        for gpu in self._gpus:
            rows = smi.ask("amdsmi_get_gpu_process_list", gpu.handle)
            for row in cast("list[object]", rows) if isinstance(rows, list) else []:
                pid = figures.count(_field(row, "pid"))
                if pid:
                    vram = _field(_field(row, "memory_usage"), "vram_mem")
                    vram_mb = figures.memory_mb(vram, unit_bytes=1)
                    found.append(GpuProcess(device_id=gpu.id, pid=pid, vram_mb=vram_mb))
        return found

    def _device(self, smi: Library, gpu: _Gpu) -> Device:
        stats = self._stats(smi, gpu)
        total_mb, used_mb = stats.vram_total_mb, stats.vram_used_mb
        chip = smi.ask("amdsmi_get_gpu_asic_info", gpu.handle)
        place = smi.ask("amdsmi_get_gpu_enumeration_info", gpu.handle)
        driver = figures.words(
            _field(smi.ask("amdsmi_get_gpu_driver_info", gpu.handle), "driver_version")
        )
        uuid = _field(place, "hip_uuid")
        return Device(
            id=gpu.id,
            name=figures.words(_field(chip, "market_name")) or "AMD GPU",
            device_type="rocm",
            vendor="amd",
            vram_gb=None if total_mb is None else round(total_mb / 1024, 2),
            memory_mb=None if total_mb is None else int(total_mb),
            compute_capability=figures.words(_field(chip, "target_graphics_version")),
            driver=f"amdgpu {driver}" if driver else None,
            uuid=figures.words(uuid),
            index=figures.count(_field(place, "hip_id")),
            memory_total_mb=total_mb,
            memory_used_mb=used_mb,
            memory_free_mb=figures.left_mb(total_mb, used_mb),
            util_pct=stats.util_pct,
            temp_c=stats.temp_c,
            power_w=stats.power_w,
        )

    def _stats(self, smi: Library, gpu: _Gpu) -> GpuStats:
        memory = smi.ask("amdsmi_get_gpu_vram_usage", gpu.handle)
        load = smi.ask("amdsmi_get_gpu_activity", gpu.handle)
        power = smi.ask("amdsmi_get_power_info", gpu.handle)
        watts = figures.power_w(_field(power, "current_socket_power"))
        if watts is None:  # older chips only average
            watts = figures.power_w(_field(power, "average_socket_power"))
        return GpuStats(
            id=gpu.id,
            util_pct=figures.share_pct(_field(load, "gfx_activity")),
            vram_used_mb=figures.memory_mb(_field(memory, "vram_used")),
            vram_total_mb=figures.memory_mb(_field(memory, "vram_total")),
            temp_c=self._temperature_c(smi, gpu),
            power_w=watts,
        )

    def _temperature_c(self, smi: Library, gpu: _Gpu) -> float | None:
        now = smi.constant("AmdSmiTemperatureMetric", "CURRENT")
        for kind in ("EDGE", "HOTSPOT"):  # datacentre chips have no edge sensor
            sensor = smi.constant("AmdSmiTemperatureType", kind)
            found = figures.temperature_c(
                smi.ask("amdsmi_get_temp_metric", gpu.handle, sensor, now)
            )
            if found is not None:
                return found
        return None

    def _close(self) -> None:
        smi, self._smi, self._gpus = self._smi, None, []
        if smi is not None:
            smi.ask("amdsmi_shut_down")


def _field(owner: object, name: str) -> object:
    return cast("Mapping[str, object]", owner).get(name) if isinstance(owner, Mapping) else None


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
