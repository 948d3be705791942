"""What this hive's settings and devices mean for models that are not here yet.

``app`` wires these into the downloads and the search: how a model would usually
be run, which memory it could use, and the limits under which it comes.
"""

from collections.abc import Collection, Sequence
from typing import Final

from rbee.contracts.hives import Device, DeviceType
from rbee.contracts.models import ModelFacts
from rbee.fit import DeviceMemory, RunSettings
from rbee.hive.engines.catalog import Engines
from rbee.hive.models.downloads import DownloadLimits
from rbee.hive.offloading import gpu_memory_of
from rbee.hive.settings import HiveSettings

_GB: Final = 10**9


def download_limits(settings: HiveSettings) -> DownloadLimits:
    """The limits in the units that downloads count in."""
    quota = settings.models_quota_gb
    return DownloadLimits(
        parallel_max=settings.downloads_max,
        rate_max_mb_s=settings.download_rate_max_mb_s,
        quota_bytes=None if quota is None else int(quota * _GB),
    )


def usual_run(settings: HiveSettings, facts: ModelFacts) -> RunSettings:
    """How a worker of the model is run when nobody says otherwise."""
    longest = facts.context_length or settings.context_length
    return RunSettings(context_tokens=min(settings.context_length, longest), slots=settings.slots)


def gpu_memory(devices: Sequence[Device], engines: Engines) -> list[DeviceMemory]:
    """The GPUs that an engine which is chosen by itself can use here."""
    kinds: set[DeviceType] = {
        kind
        for info in engines.infos()
        if info.usable and (engine := engines.get(info.name)) and engine.automatic
        for kind in engine.device_types
    }
    return memory_of(devices, kinds)


def memory_of(devices: Sequence[Device], kinds: Collection[DeviceType]) -> list[DeviceMemory]:
    """The memory of the GPUs of these kinds that can be used."""
    return [
        gpu_memory_of(device)
        for device in devices
        if device.device_type != "cpu" and device.device_type in kinds and device.reason is None
    ]
