"""NVIDIA's devices: through NVML, the driver's own library, else through ``nvidia-smi``.

NVML is asked in this process by ``nvidia-ml-py``, which is plain Python: without
a driver it says so, and there are no devices. A GPU in MIG mode is shown as its
parts, for a program can use only those. Source of names and units: NVML API
Reference Guide (memory in bytes, power in milliwatts).
"""

import importlib
from collections.abc import Callable
from typing import Final, cast

import msgspec

from rbee.contracts.hives import Device, GpuStats
from rbee.hive.devices import figures
from rbee.hive.devices.command import CommandMissing, Runner, run_command
from rbee.hive.devices.library import Library
from rbee.hive.devices.nvidia_smi import READ_EVERY_S as SMI_READ_EVERY_S
from rbee.hive.devices.nvidia_smi import NvidiaSmi
from rbee.hive.devices.probe import GpuProcess, ProbeFailed

NVML_READ_EVERY_S: Final = 1.0  # wire.md: a beat each second
_LIBRARY_NOT_FOUND: Final = 12  # NVML_ERROR_LIBRARY_NOT_FOUND: no driver on this machine
_TEMPERATURE_GPU: Final = 0  # NVML_TEMPERATURE_GPU: the die
_PARTS_MAX: Final = 64  # NVML tells at most 8 today
_MIG_ON: Final = 1  # NVML_DEVICE_MIG_ENABLE


def load_nvml() -> object | None:
    """The module, or None when it is not installed. Loads no driver yet."""
    try:  # lazily: most hives have no such GPU, and the import costs 30 ms
        return importlib.import_module("pynvml")
    except ImportError:
        return None


class _Gpu(msgspec.Struct, kw_only=True):
    """One device behind its handle. ``seen_us`` is the newest process sample read."""

    id: str
    handle: object
    part: bool
    seen_us: int = 0


class NvidiaProbe:
    """All NVIDIA devices; ``load`` and ``run`` are the outside."""

    vendor = "nvidia"

    def __init__(
        self, load: Callable[[], object | None] = load_nvml, run: Runner = run_command
    ) -> None:
        self._load = load
        self._smi = NvidiaSmi(run)
        self._nvml: Library | None = None
        self._gpus: list[_Gpu] = []
        self._uses_smi = False

    @property
    def read_every_s(self) -> float:
        """Each second from the library, more rarely from the tool."""
        return SMI_READ_EVERY_S if self._uses_smi else NVML_READ_EVERY_S

    def detect(self) -> list[Device]:
        """What is there, asked anew.

        Raises:
            ProbeFailed: there is a driver, but neither way works.
        """
        self._close()
        module = self._load()
        nvml = Library(module, "NVMLError") if module is not None else None
        reason = "the module pynvml is not installed"
        if nvml is not None:
            try:
                nvml.must("nvmlInit")
                self._nvml = nvml
                return self._detect_by_nvml(nvml)
            except nvml.error as error:
                if getattr(error, "value", None) == _LIBRARY_NOT_FOUND:
                    return []
                reason = str(error)
                self._close()
        return self._detect_by_smi(reason, driver_seen=nvml is not None)

    def read(self) -> list[GpuStats]:
        """How they are now.

        Raises:
            ProbeFailed: nvidia-smi does not answer any more.
        """
        if self._uses_smi:
            return self._smi.read()
        return [self._stats(gpu) for gpu in self._gpus]

    def processes(self) -> list[GpuProcess]:
        """Who computes on them.

        Raises:
            ProbeFailed: nvidia-smi does not answer any more.
        """
        if self._uses_smi:
            return self._smi.processes()
        return [found for gpu in self._gpus for found in self._processes_on(gpu)]

    # ── by NVML ──────────────────────────────────────────────────────────────

    def _detect_by_nvml(self, nvml: Library) -> list[Device]:
        driver = figures.words(nvml.ask("nvmlSystemGetDriverVersion"))
        devices: list[Device] = []
        for index in range(figures.count(nvml.must("nvmlDeviceGetCount")) or 0):
            try:
                handle = nvml.must("nvmlDeviceGetHandleByIndex", index)
            except nvml.error as error:
                devices.append(_broken(index, driver, str(error)))
                continue
            parts = _parts(nvml, handle)
            for part, each in enumerate(parts or [handle]):
                name = f"nvidia-{index}.{part}" if parts else f"nvidia-{index}"
                gpu = _Gpu(id=name, handle=each, part=bool(parts))
                self._gpus.append(gpu)
                devices.append(self._device(nvml, gpu, index, handle, driver))
        return devices

    def _device(
        self, nvml: Library, gpu: _Gpu, index: int, whole: object, driver: str | None
    ) -> Device:
        """``whole`` is the GPU's own handle: a part does not know its generation."""
        stats = self._stats(gpu)
        total_mb = stats.vram_total_mb
        memory = nvml.ask("nvmlDeviceGetMemoryInfo", gpu.handle)
        generation = _numbers(nvml.ask("nvmlDeviceGetCudaComputeCapability", whole))
        name = figures.words(nvml.ask("nvmlDeviceGetName", gpu.handle))
        return Device(
            id=gpu.id,
            name=name or ("NVIDIA MIG device" if gpu.part else "NVIDIA GPU"),
            device_type="cuda",
            vendor="nvidia",
            vram_gb=None if total_mb is None else round(total_mb / 1024, 2),
            memory_mb=None if total_mb is None else int(total_mb),
            compute_capability=".".join(map(str, generation)) if generation else None,
            driver=driver,
            uuid=figures.words(nvml.ask("nvmlDeviceGetUUID", gpu.handle)),
            index=None if gpu.part else index,
            memory_total_mb=total_mb,
            memory_used_mb=stats.vram_used_mb,
            memory_free_mb=_bytes_mb(memory, "free"),
            util_pct=stats.util_pct,
            temp_c=stats.temp_c,
            power_w=stats.power_w,
        )

    def _stats(self, gpu: _Gpu) -> GpuStats:
        nvml = self._nvml
        if nvml is None:
            return GpuStats(id=gpu.id)
        memory = nvml.ask("nvmlDeviceGetMemoryInfo", gpu.handle)
        rates = nvml.ask("nvmlDeviceGetUtilizationRates", gpu.handle)
        milliwatts = figures.number(nvml.ask("nvmlDeviceGetPowerUsage", gpu.handle))
        return GpuStats(
            id=gpu.id,
            util_pct=figures.share_pct(getattr(rates, "gpu", None)),
            vram_used_mb=_bytes_mb(memory, "used"),
            vram_total_mb=_bytes_mb(memory, "total"),
            temp_c=figures.temperature_c(
                nvml.ask("nvmlDeviceGetTemperature", gpu.handle, _TEMPERATURE_GPU)
            ),
            power_w=None if milliwatts is None else figures.power_w(milliwatts / 1000),
        )

    def _processes_on(self, gpu: _Gpu) -> list[GpuProcess]:
        nvml = self._nvml
        running = _rows(nvml, "nvmlDeviceGetComputeRunningProcesses", gpu.handle)
        if nvml is None or not running:
            return []
        samples = _rows(nvml, "nvmlDeviceGetProcessUtilization", gpu.handle, gpu.seen_us)
        used = {_whole(sample, "pid"): sample for sample in sorted(samples, key=_sampled_us)}
        gpu.seen_us = max([gpu.seen_us, *map(_sampled_us, samples)])
        return [
            GpuProcess(
                device_id=gpu.id,
                pid=pid,
                vram_mb=_bytes_mb(process, "usedGpuMemory"),
                util_pct=figures.share_pct(getattr(used.get(pid), "smUtil", None)),
            )
            for process in running
            if (pid := _whole(process, "pid"))
        ]

    def _close(self) -> None:
        nvml, self._nvml = self._nvml, None
        self._gpus, self._uses_smi = [], False
        if nvml is not None:
            nvml.ask("nvmlShutdown")

    # ── by nvidia-smi ────────────────────────────────────────────────────────

    def _detect_by_smi(self, reason: str, *, driver_seen: bool) -> list[Device]:
        try:
            devices = self._smi.detect()
        except CommandMissing:
            if not driver_seen:
                return []
            raise ProbeFailed(f"driver present but NVML failed: {reason}") from None
        except ProbeFailed as error:
            raise ProbeFailed(f"driver present but NVML failed: {reason}; {error}") from None
        self._uses_smi = True
        return devices


def _bytes_mb(owner: object, field: str) -> float | None:
    return figures.memory_mb(getattr(owner, field, None), unit_bytes=1)


def _parts(nvml: Library, handle: object) -> list[object]:
    """The MIG devices of a GPU; none when it is not in that mode."""
    mode = _numbers(nvml.ask("nvmlDeviceGetMigMode", handle))
    if not mode or mode[0] != _MIG_ON:
        return []
    most = figures.count(nvml.ask("nvmlDeviceGetMaxMigDeviceCount", handle)) or 0
    found = [
        nvml.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, index)
        for index in range(min(most, _PARTS_MAX))
    ]
    return [part for part in found if part is not None]


def _rows(nvml: Library | None, question: str, *arguments: object) -> list[object]:
    found = nvml.ask(question, *arguments) if nvml is not None else None
    return cast("list[object]", found) if isinstance(found, list) else []


def _numbers(found: object) -> list[int]:
    """A pair of numbers, as NVML's Python gives it: a list or a tuple."""
    if not isinstance(found, (list, tuple)):
        return []
    pair = [figures.count(value) for value in cast("list[object]", found)]
    return [] if None in pair else [value for value in pair if value is not None]


def _whole(owner: object, field: str) -> int:
    return figures.count(getattr(owner, field, None)) or 0


def _sampled_us(sample: object) -> int:
    return _whole(sample, "timeStamp")


def _broken(index: int, driver: str | None, reason: str) -> Device:
    return Device(
        id=f"nvidia-{index}",
        name="NVIDIA GPU",
        device_type="cuda",
        vendor="nvidia",
        driver=driver,
        index=index,
        reason=f"it does not answer: {reason}",
    )
