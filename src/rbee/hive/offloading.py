"""From a plan for layers to a worker's settings. Pure.

``fitting`` reckons which layers have room where (``rbee.fit``); here the GPUs'
figures become its input, and its plan becomes the worker's devices, layers and
split. What a request asked for itself never comes here.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from rbee.contracts.hives import Device
from rbee.contracts.jobs import ALL_LAYERS
from rbee.fit import DeviceMemory, OffloadPlan
from rbee.hive.devices.choice import Open
from rbee.hive.devices.pinning import pinned
from rbee.hive.engines.engine import LaunchSpec

_MIB: Final = 1024 * 1024


def gpu_memory_of(device: Device, *, held_bytes: int = 0, expected_bytes: int = 0) -> DeviceMemory:
    """The memory that models may use of a GPU; unified memory has a limit of its own."""
    total_mb = device.memory_usable_mb or device.memory_total_mb
    free_mb = device.memory_free_mb
    if free_mb is None and total_mb is not None and device.memory_used_mb is not None:
        free_mb = max(0.0, total_mb - device.memory_used_mb)
    return DeviceMemory(
        id=device.id,
        total_bytes=_bytes(total_mb),
        free_bytes=_bytes(free_mb),
        held_bytes=held_bytes,
        expected_bytes=expected_bytes,
    )


def considered(left_open: Open, memory: Sequence[DeviceMemory]) -> list[DeviceMemory]:
    """The GPUs to plan with: all that were named, else those whose room is known."""
    known = [gpu for gpu in memory if gpu.free_bytes is not None]
    if left_open.named:
        return known if len(known) == len(memory) else []
    return known


def arranged(spec: LaunchSpec, left_open: Open, plan: OffloadPlan) -> LaunchSpec:
    """``spec`` as ``plan`` says; unchanged where the plan is undecided.

    Without room on any GPU it goes to the CPU, or stays bound to the GPU that was
    named with no layer on it.
    """
    if plan.gpu_layers is None:
        return spec
    by_id = {device.id: device for device in left_open.gpus}
    used = [share for share in plan.shares if share.layers]
    if not used:
        if left_open.cpu is not None:
            return _bound(spec, [left_open.cpu], gpu_layers=0)
        return msgspec.structs.replace(spec, gpu_layers=0)
    every = plan.gpu_layers == plan.layers
    return _bound(
        spec,
        [by_id[share.device] for share in used],
        gpu_layers=ALL_LAYERS if every else plan.gpu_layers,
        split=tuple(float(share.layers) for share in used) if len(used) > 1 else None,
    )


def _bound(
    spec: LaunchSpec,
    devices: Sequence[Device],
    *,
    gpu_layers: int,
    split: tuple[float, ...] | None = None,
) -> LaunchSpec:
    on_gpus = devices[0].device_type != "cpu"
    return msgspec.structs.replace(
        spec,
        device_ids=tuple(device.id for device in devices),
        gpu_layers=gpu_layers,
        split_mode=("layer" if split else "none") if on_gpus else None,
        tensor_split=split,
        main_gpu=0 if on_gpus else None,
        env=pinned(devices),
    )


def _bytes(size_mb: float | None) -> int | None:
    return None if size_mb is None else int(size_mb * _MIB)
