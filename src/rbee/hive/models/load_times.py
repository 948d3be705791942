"""How long models took to load here, remembered over restarts.

One small JSON file: for each (model, device) the last few times from a process's
start to its first token. The median goes out with the beats: the queen weighs by
it what an eviction costs, and tells who waits for how long. The hive's one owner
calls; a file that is torn or of another version is the same as none. Bounded:
the entry that was not seen for longest goes first.
"""

from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from rbee.hive.models.kept import read_kept, write_kept

LOADS_KEPT: Final = 9  # a median of so many forgets one cold disk, and learns of a new one
ENTRIES_MAX: Final = 512  # as many as measured runs; some 60 kB
NAME_LENGTH_MAX: Final = 1_024  # of each part; ids have some 100


class _Entry(msgspec.Struct, kw_only=True):
    model: str
    device: str
    loads_s: list[float]
    seen_at: float


class _File(msgspec.Struct, kw_only=True):
    format: int = 1
    entries: list[_Entry] = msgspec.field(default_factory=list[_Entry])


class LoadTimes:
    """The loads of one hive. Blocking; a write takes some ms and happens once a load."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = {(entry.model, entry.device): entry for entry in _read(path)}

    def usual_s(self, model: str) -> float | None:
        """The median of ``model``'s loads on the device where it was loaded last."""
        entries = tuple(self._entries.values())  # another thread may add one
        known = [entry for entry in entries if entry.model == model]
        if not known:
            return None
        last = max(known, key=lambda entry: entry.seen_at)
        return round(median(last.loads_s), 3)

    def record(self, model: str, device: str, load_s: float, *, now: float) -> None:
        """Note that ``model`` took ``load_s`` on ``device``, at ``now`` (Unix seconds).

        Raises:
            StorageError: the file cannot be written; the number is kept all the same.
        """
        if load_s <= 0 or max(len(model), len(device)) > NAME_LENGTH_MAX:
            return
        entry = self._entries.setdefault(
            (model, device), _Entry(model=model, device=device, loads_s=[], seen_at=now)
        )
        entry.loads_s = [*entry.loads_s, load_s][-LOADS_KEPT:]
        entry.seen_at = now
        while len(self._entries) > ENTRIES_MAX:
            oldest = min(self._entries.values(), key=lambda each: each.seen_at)
            del self._entries[oldest.model, oldest.device]
        self._write()

    def _write(self) -> None:
        write_kept(self._path, _File(entries=list(self._entries.values())))


def _read(path: Path) -> list[_Entry]:
    entries = read_kept(path, _File).entries
    newest = sorted(entries, key=lambda entry: entry.seen_at, reverse=True)
    return [entry for entry in newest if entry.loads_s][:ENTRIES_MAX]
