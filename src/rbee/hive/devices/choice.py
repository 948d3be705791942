"""All devices of this machine, and which of them a request means. The choice is pure."""

from collections.abc import Collection, Sequence
from typing import Final

from rbee.contracts.hives import Device, DeviceType
from rbee.contracts.jobs import DeviceChoice
from rbee.errors import InvalidRequest
from rbee.hive.devices.cpu import CpuProbe
from rbee.hive.devices.probe import DeviceProbe

DEVICE_PROBES: Final[tuple[DeviceProbe, ...]] = (CpuProbe(),)


def find_devices() -> list[Device]:
    """Every device of this machine."""
    return [device for probe in DEVICE_PROBES for device in probe.devices()]


def choose_devices(
    devices: Sequence[Device], kinds: Collection[DeviceType], wanted: DeviceChoice | None
) -> tuple[str, ...]:
    """The ids of the devices that a request means.

    ``kinds`` are those that the engine runs on. ``wanted`` is an index among
    them (``0`` is always the first one of a kind that the engine can use, so
    ``worker: cpu, device: 0`` is the CPU), an id, or a kind; null is the first.

    Raises:
        InvalidRequest: there is no such device; names what there is.
    """
    fitting = [device for device in devices if device.device_type in kinds]
    if wanted is None or isinstance(wanted, (int, str)):
        return (_one(fitting, wanted),)
    if not wanted:
        raise InvalidRequest("`device` is an empty list at `$.device`.", param="$.device")
    return tuple(dict.fromkeys(_one(fitting, index) for index in wanted))


def _one(fitting: Sequence[Device], wanted: int | str | None) -> str:
    if wanted is None and fitting:
        return fitting[0].id
    if isinstance(wanted, int) and 0 <= wanted < len(fitting):
        return fitting[wanted].id
    if isinstance(wanted, str):
        word = wanted.strip().casefold()
        for device in fitting:
            if word in {device.id.casefold(), device.device_type}:
                return device.id
        if word.isdigit():
            return _one(fitting, int(word))
    there = ", ".join(f"{index}: {device.id}" for index, device in enumerate(fitting)) or "none"
    raise InvalidRequest(
        f"This hive has no device {wanted!r} for that engine at `$.device`.",
        remedy=f"It has {there}.",
        param="$.device",
    )
