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


class LoadTimes:
    """The load times of one model over the colony: what is the same for all hives, once."""

    def __init__(self, model: str, hives: Sequence[HiveView]) -> None:
        """Looks at every hive's row of ``model``."""
        self._model = model
        rows = [row for hive in hives if (row := _row(model, hive)) is not None]
        measured = [row.load_s for row in rows if row.load_s is not None]
        self._elsewhere_s = round(median(measured), 3) if measured else None
        self._size_bytes = next((row.size_bytes for row in rows if row.size_bytes), None)

    def on(self, hive: HiveView) -> LoadTime | None:
        """What a load on ``hive`` will take; None when nothing is known."""
        here = _row(self._model, hive)
        if here is not None and here.load_s is not None:
            return LoadTime(here.load_s, "measured")
        if self._elsewhere_s is not None:
            return LoadTime(self._elsewhere_s, "measured_elsewhere")
        paces = [
            row.size_bytes / row.load_s
            for row in hive.models
            if row.size_bytes and row.load_s and row.size_bytes >= PACE_BYTES_MIN
        ]
        if self._size_bytes is None or not paces:
            return None
        return LoadTime(round(self._size_bytes / median(paces), 3), "estimated")


def _row(model: str, hive: HiveView) -> Model | None:
    return next((row for row in hive.models if row.id == model), None)
