"""The seam to devices: one implementation per kind. Asked at the hive's start.

To add a kind: one file with one class, one line in ``DEVICE_PROBES`` of ``choice``.
"""

from typing import Protocol

from rbee.contracts.hives import Device


class DeviceProbe(Protocol):
    """Finds the devices of one kind."""

    def devices(self) -> list[Device]:
        """What is there; empty when nothing of this kind is. Never raises."""
        ...
