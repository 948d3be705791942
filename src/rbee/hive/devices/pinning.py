"""Bind a worker's process to its devices by the makers' own variables. Pure.

CUDA_VISIBLE_DEVICES (CUDA C++ Programming Guide, "CUDA Environment Variables")
and HIP_VISIBLE_DEVICES (HIP documentation, "GPU isolation techniques"): a
process sees only those, numbered from 0 in the order given. What is not seen
cannot be taken by mistake.
"""

from collections.abc import Sequence
from typing import Final

from rbee.contracts.hives import Device
from rbee.errors import InvalidRequest

CUDA: Final = "CUDA_VISIBLE_DEVICES"
CUDA_ORDER: Final = "CUDA_DEVICE_ORDER"
HIP: Final = "HIP_VISIBLE_DEVICES"
_NOTHING: Final = "-1"  # both makers: what stands from an invalid number on is hidden


def pinned(devices: Sequence[Device]) -> dict[str, str]:
    """Variables for the process of a worker on ``devices``, which are of one kind.

    Raises:
        InvalidRequest: the driver gave a device neither a number nor a UUID.
    """
    kinds = {device.device_type for device in devices}
    env = {CUDA: _NOTHING, HIP: _NOTHING}
    if kinds == {"cuda"}:
        # UUIDs do not depend on the order in which CUDA counts; numbers do.
        by_uuid = all(device.uuid for device in devices)
        env[CUDA] = ",".join(_name(device, by_uuid=by_uuid) for device in devices)
        if not by_uuid:
            env[CUDA_ORDER] = "PCI_BUS_ID"  # NVML's and nvidia-smi's order
    elif kinds == {"rocm"}:
        by_uuid = any(device.index is None for device in devices)
        env[HIP] = ",".join(_name(device, by_uuid=by_uuid) for device in devices)
    return env


def _name(device: Device, *, by_uuid: bool) -> str:
    name = device.uuid if by_uuid else device.index
    if name is None:
        raise InvalidRequest(
            f"A worker cannot be bound to {device.id}: its driver tells no number for it, "
            "at `$.device`.",
            remedy="Choose another device.",
            param="$.device",
        )
    return str(name)
