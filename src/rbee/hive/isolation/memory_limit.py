"""How much memory a worker may take before the system ends it. Pure.

The fit's estimate times a generous margin: a fence against what runs away, not a
second book-keeper. Without an estimate there is no fence but the operator's own.
"""

from pathlib import Path
from typing import Final

import msgspec

from rbee.fit import Verdict
from rbee.hive.engines.engine import LaunchSpec
from rbee.hive.settings import HiveSettings

ROOM_BYTES: Final = 1 << 30  # Python, the server and their buffers: 0.3 GiB, and as much again
_MIB: Final = 1024 * 1024


def limited(spec: LaunchSpec, verdict: Verdict | None, settings: HiveSettings) -> LaunchSpec:
    """``spec`` with its memory limit. ``verdict`` null: nobody knows what it needs."""
    limits: list[int] = []
    if settings.worker_memory_max_mb is not None:
        limits.append(settings.worker_memory_max_mb * _MIB)
    high = verdict.estimate.high_bytes if verdict is not None else None
    if verdict is not None and high is not None and settings.memory_margin > 0:
        if verdict.estimate.weights_bytes == 0:  # shared with a neighbour, who may go first
            high += _size(spec)
        limits.append(int(high * settings.memory_margin) + ROOM_BYTES)
    return msgspec.structs.replace(spec, memory_max_bytes=min(limits)) if limits else spec


def _size(spec: LaunchSpec) -> int:
    try:
        return Path(spec.model_path or "").stat().st_size
    except OSError:
        return 0
