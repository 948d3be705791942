"""The seam to devices: one implementation per maker.

A probe says what is there and how it is; ``inventory`` decides when it is asked,
cuts it when it hangs and gives the devices their names. What a probe needs of
the outside (a library, a command, /sys) is a parameter of its construction, so
that recorded outputs replay through the same code. The rule: what cannot be read
is null, never 0 and never a guess, whatever the outside answers.

To add a maker: one file with one class, one line in ``inventory``, recordings
and a row in the conformance suite (docs/checklists/add-a-device.md).
"""

from typing import Protocol

import msgspec

from rbee.contracts.hives import Device, GpuStats


class ProbeFailed(Exception):
    """Devices may be there, but cannot be told; the text is the reason shown to people."""


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process that computes on a device, as the driver tells it. Unknown is null.

    ``pid`` is the driver's: in a container it may be another than ours.
    """

    device_id: str
    pid: int
    vram_mb: float | None = None
    util_pct: float | None = None


class DeviceProbe(Protocol):
    """Finds the devices of one maker and reads them. Every method blocks.

    Ids are the probe's own (``nvidia-0``), the same in all three answers and
    unique within it. None of them is called while another one runs.
    """

    @property
    def vendor(self) -> str:
        """Whose devices it finds: ``nvidia``, ``amd``, ``apple``, ``cpu``."""
        ...

    @property
    def read_every_s(self) -> float:
        """How often ``read`` is worth its cost, after the last ``detect``."""
        ...

    def detect(self) -> list[Device]:
        """Look anew at what is there; empty when nothing of this maker is.

        Raises:
            ProbeFailed: something is there that cannot be told.
        """
        ...

    def read(self) -> list[GpuStats]:
        """How the devices of the last ``detect`` are now.

        Raises:
            ProbeFailed: the maker's tool does not answer any more.
        """
        ...

    def processes(self) -> list[GpuProcess]:
        """Who computes on them, as far as the maker tells.

        Raises:
            ProbeFailed: the maker's tool does not answer any more.
        """
        ...
