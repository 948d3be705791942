"""How much memory loaded models really used, remembered over restarts.

One small JSON file: for each (model, engine, settings, device) the most that a
run held. The fit prefers it to its estimate. The hive's one owner calls; a file
that is torn or of another version is the same as none. The list is bounded: the
entry that was not seen for longest goes first.
"""

from pathlib import Path
from typing import Final

import msgspec

from rbee.fit.memory import Measured
from rbee.hive.models.kept import read_kept, write_kept

ENTRIES_MAX: Final = 512  # some 150 kB; a hive with 20 models in 20 settings has 400
KEY_LENGTH_MAX: Final = 1_024  # of each part; ids have some 100
GROWTH_WORTH_A_WRITE: Final = 0.01  # a peak wanders by less from look to look


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a measurement belongs to. ``settings`` is ``fit.settings_key``'s text.

    ``model`` names the file's content (a digest, or id and size), ``engine`` its
    name and version: another build needs other buffers.
    """

    model: str
    engine: str
    settings: str
    device: str


class _Entry(msgspec.Struct, kw_only=True):
    run: Run
    peak_bytes: int
    samples: int
    seen_at: float


class _File(msgspec.Struct, kw_only=True):
    format: int = 1
    entries: list[_Entry] = msgspec.field(default_factory=list[_Entry])


class MeasuredRuns:
    """The memory of one hive. Blocking; a write takes some ms and happens seldom."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = {entry.run: entry for entry in _read(path)}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, run: Run) -> Measured | None:
        """What is known of ``run``; None when it was never measured."""
        entry = self._entries.get(run)
        if entry is None:
            return None
        return Measured(peak_bytes=entry.peak_bytes, samples=entry.samples)

    def last(self, model: str) -> Measured | None:
        """What was seen of ``model`` last, in whatever settings and on whatever device."""
        entries = tuple(self._entries.values())  # another thread may add one
        known = [entry for entry in entries if entry.run.model == model]
        if not known:
            return None
        entry = max(known, key=lambda each: each.seen_at)
        return Measured(peak_bytes=entry.peak_bytes, samples=entry.samples)

    def record(self, run: Run, used_bytes: int, *, now: float, fresh: bool = False) -> None:
        """Note that ``run`` holds ``used_bytes`` at ``now`` (Unix seconds).

        Only the peak is kept, and written when it is new or grew. ``fresh``
        counts a further run. Numbers below 1 and keys beyond reason are ignored.

        Raises:
            StorageError: the file cannot be written; the number is kept all the same.
        """
        if used_bytes <= 0 or max(map(len, msgspec.structs.astuple(run))) > KEY_LENGTH_MAX:
            return
        entry = self._entries.get(run)
        if entry is None:
            self._entries[run] = _Entry(run=run, peak_bytes=used_bytes, samples=1, seen_at=now)
            self._trim()
            self._write()
            return
        entry.seen_at = now
        entry.samples += fresh
        grew = used_bytes > entry.peak_bytes * (1 + GROWTH_WORTH_A_WRITE)
        entry.peak_bytes = max(entry.peak_bytes, used_bytes)
        if grew or fresh:
            self._write()

    def _trim(self) -> None:
        while len(self._entries) > ENTRIES_MAX:
            oldest = min(self._entries.values(), key=lambda entry: entry.seen_at)
            del self._entries[oldest.run]

    def _write(self) -> None:
        write_kept(self._path, _File(entries=list(self._entries.values())))


def _read(path: Path) -> list[_Entry]:
    entries = read_kept(path, _File).entries
    newest = sorted(entries, key=lambda entry: entry.seen_at, reverse=True)
    return newest[:ENTRIES_MAX]
