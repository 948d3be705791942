"""``memory_max_mb``: what all workers on the CPU may take of a machine's memory together.

Pure. The hive tells the queen by the CPU's ``memory_usable_mb``, so that she places
within it, and judges its own launches by the same number.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from rbee.contracts.hives import Device
from rbee.hive.devices.cpu import CPU_ID
from rbee.hive.workers.record import Worker

_MIB: Final = 1024 * 1024


def within(budget_mb: int | None, memory: tuple[int, int], held_mb: float) -> tuple[int, int]:
    """``memory`` (all and free, bytes) as the budget leaves it; workers hold ``held_mb``."""
    total, free = memory
    if budget_mb is None:
        return total, free
    budget = budget_mb * _MIB
    return min(total, budget), max(0, min(free, budget - int(held_mb * _MIB)))


def shown(devices: Sequence[Device], budget_mb: int | None) -> list[Device]:
    """The devices as the queen shall see them."""
    if budget_mb is None:
        return list(devices)
    return [
        msgspec.structs.replace(device, memory_usable_mb=float(budget_mb))
        if device.device_type == "cpu"
        else device
        for device in devices
    ]


def held_mb(workers: Iterable[Worker]) -> float:
    """What the workers on the CPU hold of the memory, MiB."""
    return sum(
        worker.usage.rss_mb or 0.0
        for worker in workers
        if worker.state.spec.device_ids == (CPU_ID,)
    )
