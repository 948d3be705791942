"""How long a model will take to load somewhere: measured there, else told from what was.

Pure. A hive's beats carry the median of its own loads of each model. Where a model
was never loaded, another hive's number for it stands in, and then the pace (bytes a
second) of this hive's other models; where nothing was measured the time is unknown.
"""

from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

from rbee.contracts.models import Model
from rbee.contracts.plan import LoadSource
from rbee.queen.registry.hives import HiveView

PACE_BYTES_MIN: Final = 1024 * 1024  # a file below that tells nothing about a disk's pace


class LoadTime(msgspec.Struct, frozen=True):
    """Seconds from a process's start to its first token, and where the number is from."""

    load_s: float
    source: LoadSource


def load_time(model: str, hive: HiveView, hives: Sequence[HiveView]) -> LoadTime | None:
    """What a load of ``model`` on ``hive`` will take; None when nothing is known."""
    here = _row(model, hive)
    if here is not None and here.load_s is not None:
        return LoadTime(here.load_s, "measured")
    elsewhere = [
        row.load_s
        for other in hives
        if (row := _row(model, other)) is not None and row.load_s is not None
    ]
    if elsewhere:
        return LoadTime(round(median(elsewhere), 3), "measured_elsewhere")
    size_bytes = _size_bytes(model, hives)
    paces = [
        row.size_bytes / row.load_s
        for row in hive.models
        if row.size_bytes and row.load_s and row.size_bytes >= PACE_BYTES_MIN
    ]
    if size_bytes is None or not paces:
        return None
    return LoadTime(round(size_bytes / median(paces), 3), "estimated")


def _row(model: str, hive: HiveView) -> Model | None:
    return next((row for row in hive.models if row.id == model), None)


def _size_bytes(model: str, hives: Sequence[HiveView]) -> int | None:
    sizes = (row.size_bytes for hive in hives if (row := _row(model, hive)) is not None)
    return next((size for size in sizes if size), None)
