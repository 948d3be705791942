"""The memory of a hive, device by device: what is free, what workers hold, what a model needs.

Pure. Two books are kept and the smaller number counts: what the machine's telemetry
says is free, and what is left of all memory when every worker of ours is full. The
second is needed because the weights of a mapped file look free to the system, and
because a worker that starts does not hold its memory yet. ``fits`` judges a model
by its header (``rbee.fit``), by what was measured, else by its file's size.
"""

import math
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from rbee.contracts.hives import Device, DeviceType
from rbee.contracts.models import Model, ModelFacts
from rbee.contracts.workers import COMING, SERVING, WorkerStats, WorkerStatus
from rbee.fit import DeviceMemory, RunSettings, available_bytes, estimate, judge
from rbee.fit.memory import Measured
from rbee.queen.registry.hives import HiveView

WEIGHT_FACTOR: Final = 1.2
"""Memory per byte of file where the header's facts are not known: the weights as they lie
on disk, and a fifth for the cache and the buffers of a context of 8,192 tokens."""

SETTINGS_ASSUMED: Final = RunSettings(context_tokens=8_192, slots=4)
"""How a hive runs a model that nobody gave settings for (its defaults); it judges again."""

MEMORY_ALWAYS_BYTES: Final = 256 * 1024 * 1024  # the engine's process and its smallest buffers
CPU_ID: Final = "CPU-0"

_LEAVING: Final[frozenset[WorkerStatus]] = frozenset({"draining", "stopping"})
_MIB: Final = 1024 * 1024
_VULKAN_TOO: Final = frozenset({"cuda", "rocm", "vulkan"})  # their drivers bring Vulkan as well


class Reserved(msgspec.Struct, frozen=True, kw_only=True):
    """Memory that was promised and that no beat shows yet. ``device`` null: any of the hive."""

    hive_id: str
    device: str | None
    size_bytes: int


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """One device and the bytes that a new worker may take there; null when unknown.

    ``named``: a spawn has to say the device, since the hive would have a choice.
    """

    device: str
    free_bytes: int | None
    total_bytes: int | None = None
    on_cpu: bool = True
    named: bool = False


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a model fits into a room, in numbers and words."""

    fits: Literal["yes", "no", "unknown"]
    note: str
    needed_bytes: int | None = None
    free_bytes: int | None = None
    short_bytes: int = 0
    """How much is missing where it does not fit."""
    remedies: tuple[str, ...] = ()


def rooms(hive: HiveView, reserved: Sequence[Reserved] = ()) -> list[Room]:
    """The devices on which a worker would be started by itself."""
    devices = _devices(hive)
    named = len(devices) > 1 and hive.capabilities is not None and bool(_kinds(hive))
    return [_room(device, hive, reserved, named=named) for device in devices]


def ram(hive: HiveView, reserved: Sequence[Reserved] = ()) -> Room:
    """The machine's own memory, whether or not workers are started on the CPU."""
    devices = hive.capabilities.devices if hive.capabilities is not None else []
    cpu = next((device for device in devices if device.device_type == "cpu"), _bare_cpu())
    return _room(cpu, hive, reserved, named=False)


def claim_bytes(worker: WorkerStats, hive: HiveView) -> int:
    """What a worker holds or will hold when it is full, over all its devices."""
    held_mb = worker.rss_mb if _is_on_cpu(worker) else worker.vram_mb
    held_bytes = int((held_mb or 0.0) * _MIB)
    model = next((row for row in hive.models if row.id == worker.model), None)
    if model is None:
        return held_bytes
    settings = msgspec.structs.replace(
        SETTINGS_ASSUMED,
        context_tokens=worker.context_length or _context(model),
        slots=worker.slots_total or SETTINGS_ASSUMED.slots,
    )
    return max(held_bytes, _usual_bytes(model, settings))


def holds_memory(worker: WorkerStats) -> bool:
    """Whether a worker has memory, or is about to."""
    return worker.status in SERVING | COMING | _LEAVING


def memory_needed_bytes(size_bytes: int) -> int:
    """The estimate for a model file of this size."""
    return int(size_bytes * WEIGHT_FACTOR) + MEMORY_ALWAYS_BYTES


def fits(model: Model | None, room: Room) -> Fit:
    """Whether ``model``, run as usual, fits into ``room``.

    What may or may not fit is ``unknown``, and worth a try: the hive looks closer.
    """
    if model is None or (model.size_bytes is None and model.facts is None):
        return Fit(fits="unknown", note="its size is unknown, so the memory was not checked")
    needed, free = needed_bytes(model), room.free_bytes
    if free is None:
        note = "the hive's free memory is unknown, so it was not checked"
        return Fit(fits="unknown", note=note, needed_bytes=needed)
    if model.facts is not None:
        fit = _fits_by_facts(model, model.facts, room, free)
        return msgspec.structs.replace(fit, free_bytes=free)
    needed = needed or 0
    numbers = f"about {_mib(needed)} MiB needed, {_mib(free)} MiB free"
    if needed <= free:
        return Fit(fits="yes", note=numbers, needed_bytes=needed, free_bytes=free)
    return Fit(
        fits="no",
        note=f"too little memory: {numbers}",
        needed_bytes=needed,
        free_bytes=free,
        short_bytes=needed - free,
    )


def needed_bytes(model: Model) -> int | None:
    """What a worker of ``model`` is expected to take; null when nothing is known."""
    if model.size_bytes is None and model.facts is None:
        return None
    settings = msgspec.structs.replace(SETTINGS_ASSUMED, context_tokens=_context(model))
    return _usual_bytes(model, settings)


def _fits_by_facts(model: Model, facts: ModelFacts, room: Room, free_bytes: int) -> Fit:
    settings = msgspec.structs.replace(SETTINGS_ASSUMED, context_tokens=_context(model))
    memory = DeviceMemory(id=room.device, free_bytes=free_bytes)
    measured = _measured(model, estimate(facts, settings).low_bytes)
    verdict = judge(facts, settings, memory, measured=measured)
    if verdict.fits != "no":
        return Fit(fits=verdict.fits, note=verdict.reason, needed_bytes=verdict.needed_bytes)
    short = verdict.estimate.low_bytes - (available_bytes(memory) or 0)
    return Fit(
        fits="no",
        note=f"too little memory: {verdict.reason}",
        needed_bytes=verdict.needed_bytes,
        short_bytes=max(1, short),
        remedies=verdict.remedies,
    )


def _measured(model: Model, low_bytes: int) -> Measured | None:
    """What was measured, unless it was of a smaller run than is planned now."""
    peak = model.memory_bytes
    return Measured(peak_bytes=peak) if peak is not None and peak >= low_bytes else None


def _usual_bytes(model: Model, settings: RunSettings) -> int:
    if model.facts is None:
        return model.memory_bytes or memory_needed_bytes(model.size_bytes or 0)
    computed = estimate(model.facts, settings)
    if (measured := _measured(model, computed.low_bytes)) is not None:
        return measured.peak_bytes
    return computed.low_bytes if computed.total_bytes is None else computed.total_bytes


def _context(model: Model) -> int:
    return int(min(SETTINGS_ASSUMED.context_tokens, model.context_length or math.inf))


# ── devices ──────────────────────────────────────────────────────────────────


def _devices(hive: HiveView) -> list[Device]:
    """The usable devices of the kinds that the hive's own choice of engine runs on.

    Beside a GPU the CPU is none: what the GPU cannot hold spills into the machine's memory.
    """
    if hive.capabilities is None:
        gpus = [Device(id=gpu.id, name=gpu.id, device_type="cuda") for gpu in hive.node.gpus]
        return [*gpus, _bare_cpu()]
    usable = [device for device in hive.capabilities.devices if device.reason is None]
    kinds = _kinds(hive)
    fitting = [device for device in usable if not kinds or _is_of(device, kinds)]
    gpus = [device for device in fitting if device.device_type != "cpu"]
    return gpus or fitting or [_bare_cpu()]


def _kinds(hive: HiveView) -> frozenset[DeviceType]:
    """What the engine that the hive chooses by itself runs on; empty when not told.

    As a hive does: the first that can use one of its GPUs, else the first.
    """
    if hive.capabilities is None:
        return frozenset()
    offered = [
        frozenset(engine.device_types) for engine in hive.capabilities.engines if engine.usable
    ]
    offered = [kinds for kinds in offered if kinds]
    gpus = [
        device
        for device in hive.capabilities.devices
        if device.device_type != "cpu" and device.reason is None
    ]
    for_gpus = [kinds for kinds in offered if any(_is_of(gpu, kinds) for gpu in gpus)]
    return (for_gpus or offered or [frozenset()])[0]


def _is_of(device: Device, kinds: frozenset[DeviceType]) -> bool:
    return device.device_type in kinds or ("vulkan" in kinds and device.device_type in _VULKAN_TOO)


def _bare_cpu() -> Device:
    return Device(id=CPU_ID, name=CPU_ID, device_type="cpu")


def _room(device: Device, hive: HiveView, reserved: Sequence[Reserved], *, named: bool) -> Room:
    on_cpu = device.device_type == "cpu"
    total, free = _ram(hive) if on_cpu else _vram(device, hive)
    usable = _bytes(device.memory_usable_mb)
    mine = [worker for worker in hive.workers if holds_memory(worker) and _is_on(worker, device)]
    claims = {worker.worker_id: _share(worker, hive) for worker in mine}
    to_come = sum(
        max(0, claims[worker.worker_id] - _held_share(worker))
        for worker in mine
        if worker.status in COMING
    )
    kept = sum(
        one.size_bytes
        for one in reserved
        if one.hive_id == hive.id and one.device in {device.id, None}
    )
    books = [None if free is None else free - to_come]
    books += [None if size is None else size - sum(claims.values()) for size in (total, usable)]
    known = [book for book in books if book is not None]
    return Room(
        device=device.id,
        free_bytes=max(0, min(known) - kept) if known else None,
        total_bytes=usable if usable is not None else total,
        on_cpu=on_cpu,
        named=named,
    )


def _ram(hive: HiveView) -> tuple[int | None, int | None]:
    node = hive.node
    if node.ram_total_mb is None or node.ram_used_mb is None:
        return _bytes(node.ram_total_mb), None
    return _bytes(node.ram_total_mb), _bytes(node.ram_total_mb - node.ram_used_mb)


def _vram(device: Device, hive: HiveView) -> tuple[int | None, int | None]:
    for gpu in hive.node.gpus:
        if gpu.id == device.id and gpu.vram_total_mb is not None and gpu.vram_used_mb is not None:
            return _bytes(gpu.vram_total_mb), _bytes(gpu.vram_total_mb - gpu.vram_used_mb)
    return _bytes(device.memory_total_mb), _bytes(device.memory_free_mb)


def device_ids(worker: WorkerStats) -> list[str]:
    """The devices that a worker lies on."""
    return [part for part in worker.device.split(",") if part]


def _is_on(worker: WorkerStats, device: Device) -> bool:
    return device.id in device_ids(worker)


def _is_on_cpu(worker: WorkerStats) -> bool:
    return worker.device.casefold().startswith("cpu")


def _share(worker: WorkerStats, hive: HiveView) -> int:
    """What one of its devices carries."""
    return claim_bytes(worker, hive) // max(1, len(device_ids(worker)))


def _held_share(worker: WorkerStats) -> int:
    held_mb = worker.rss_mb if _is_on_cpu(worker) else worker.vram_mb
    return int((held_mb or 0.0) * _MIB) // max(1, len(device_ids(worker)))


def _bytes(size_mb: float | None) -> int | None:
    return None if size_mb is None else int(size_mb * _MIB)


def _mib(size_bytes: int) -> int:
    return size_bytes // _MIB
