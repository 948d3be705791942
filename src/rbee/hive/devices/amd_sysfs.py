"""AMD's devices as the kernel tells them under /sys: no library of AMD's needed.

``class/drm/card*/device`` has memory, load and sensors (kernel documentation,
"drm/amdgpu: GPU sysfs"); ``class/kfd`` has what ROCm sees of them: their order,
which is HIP's, their generation, and the memory of each process.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from rbee.contracts.hives import Device, GpuStats
from rbee.hive.devices import figures
from rbee.hive.devices.probe import GpuProcess

SYSFS: Final = Path("/sys")
_AMD: Final = "0x1002"  # the PCI vendor
_CARD: Final = re.compile(r"card(\d{1,4})")
_TEXT_BYTES_MAX: Final = 64 * 1024  # these files are a few lines; a stray one is not read whole
_MILLI: Final = 1_000  # hwmon: millidegrees
_MICRO: Final = 1_000_000  # hwmon: microwatts


class _Node(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU as ROCm's driver knows it. ``index`` is HIP's number for it."""

    gpu_id: int
    index: int
    pci: str
    generation: str | None
    with_cpu: bool


class _Card(msgspec.Struct, frozen=True, kw_only=True):
    """A card with the directory of its figures."""

    id: str
    directory: Path
    node: _Node | None


class AmdSysfs:
    """The kernel's files as devices. Ids are ``amd-<n>``, by card number."""

    def __init__(self, root: Path = SYSFS) -> None:
        self._root = root
        self._cards: list[_Card] = []

    def detect(self) -> list[Device]:
        """What is there."""
        nodes = {node.pci: node for node in self._nodes()}
        self._cards = [
            _Card(id=f"amd-{index}", directory=directory, node=nodes.get(_pci(directory)))
            for index, directory in enumerate(self._directories())
        ]
        return [self._device(card) for card in self._cards]

    def read(self) -> list[GpuStats]:
        """How they are now."""
        return [_stats(card) for card in self._cards]

    def processes(self) -> list[GpuProcess]:
        """Who has memory on them; the kernel tells no load of a process."""
        found: list[GpuProcess] = []
        by_pid = self._root / "class/kfd/kfd/proc"
        for directory in _children(by_pid):
            pid = figures.count(directory.name)
            for card in self._cards:
                if not pid or card.node is None:
                    continue
                vram = _text(directory / f"vram_{card.node.gpu_id}")
                vram_mb = figures.memory_mb(vram, unit_bytes=1)
                if vram_mb:
                    found.append(GpuProcess(device_id=card.id, pid=pid, vram_mb=vram_mb))
        return found

    def _directories(self) -> list[Path]:
        cards: list[tuple[int, Path]] = []
        for entry in _children(self._root / "class/drm"):
            numbered = _CARD.fullmatch(entry.name)
            if numbered and _text(entry / "device/vendor") == _AMD:
                cards.append((int(numbered[1]), entry / "device"))
        return [directory for _number, directory in sorted(cards)]

    def _nodes(self) -> Iterator[_Node]:
        found = _children(self._root / "class/kfd/kfd/topology/nodes")
        numbered = sorted((int(n.name), n) for n in found if n.name.isdecimal())
        index = 0
        for _number, directory in numbered:
            gpu_id = figures.count(_text(directory / "gpu_id"))
            if not gpu_id:
                continue  # 0 is a CPU; unreadable is not ours to use
            facts = _facts(directory / "properties")
            yield _Node(
                gpu_id=gpu_id,
                index=index,
                pci=_pci_of(facts.get("domain", 0), facts.get("location_id", 0)),
                generation=_generation(facts.get("gfx_target_version")),
                with_cpu=facts.get("cpu_cores_count", 0) > 0,
            )
            index += 1

    def _device(self, card: _Card) -> Device:
        stats, node = _stats(card), card.node
        total_mb, used_mb = stats.vram_total_mb, stats.vram_used_mb
        chip = (_text(card.directory / "device") or "").removeprefix("0x")
        unique = _text(card.directory / "unique_id")
        driver = figures.words(_text(self._root / "module/amdgpu/version"))
        return Device(
            id=card.id,
            name=figures.words(_text(card.directory / "product_name"))
            or (f"AMD GPU {chip}" if chip else "AMD GPU"),
            # Without its node ROCm cannot use the card, but Vulkan may.
            device_type="rocm" if node else "vulkan",
            vendor="amd",
            vram_gb=None if total_mb is None else round(total_mb / 1024, 2),
            memory_mb=None if total_mb is None else int(total_mb),
            compute_capability=node.generation if node else None,
            driver=f"amdgpu {driver}" if driver else None,
            uuid=f"GPU-{unique}" if unique and re.fullmatch(r"[0-9a-f]{16}", unique) else None,
            index=node.index if node else None,
            unified_memory=node.with_cpu if node else None,
            memory_total_mb=total_mb,
            memory_used_mb=used_mb,
            memory_free_mb=figures.left_mb(total_mb, used_mb),
            util_pct=stats.util_pct,
            temp_c=stats.temp_c,
            power_w=stats.power_w,
        )


def _stats(card: _Card) -> GpuStats:
    directory = card.directory
    sensors = next(iter(_children(directory / "hwmon")), None)
    temperature = power = None
    if sensors is not None:
        temperature = figures.number(_text(sensors / "temp1_input"))
        power = figures.number(_text(sensors / "power1_average") or _text(sensors / "power1_input"))
    return GpuStats(
        id=card.id,
        util_pct=figures.share_pct(_text(directory / "gpu_busy_percent")),
        vram_used_mb=figures.memory_mb(_text(directory / "mem_info_vram_used"), unit_bytes=1),
        vram_total_mb=figures.memory_mb(_text(directory / "mem_info_vram_total"), unit_bytes=1),
        temp_c=None if temperature is None else figures.temperature_c(temperature / _MILLI),
        power_w=None if power is None else figures.power_w(power / _MICRO),
    )


def _pci(directory: Path) -> str:
    """The card's place on the bus, as ``0000:03:00.0``."""
    for line in (_text(directory / "uevent") or "").splitlines():
        name, _, value = line.partition("=")
        if name == "PCI_SLOT_NAME":
            return value.strip().lower()
    return ""


def _pci_of(domain: int, location: int) -> str:
    """KFD packs bus, device and function into one number."""
    return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7:x}"


def _generation(packed: int | None) -> str | None:
    """``gfx_target_version`` 90402 is gfx942, 90010 gfx90a, 110000 gfx1100."""
    if not packed:
        return None
    return f"gfx{packed // 10_000}{packed // 100 % 100:x}{packed % 100:x}"


def _facts(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    facts: dict[str, int] = {}
    for line in (_text(path) or "").splitlines():
        name, _, value = line.partition(" ")
        found = figures.count(value)
        if found is not None:
            facts[name] = found
    return facts


def _children(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str | None:
    """A small file's text without its end of line; None when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_TEXT_BYTES_MAX).decode("utf-8", errors="replace").strip()
    except OSError:
        return None
