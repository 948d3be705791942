"""Which downloads a hive has begun and not ended: kept, so that the next hive knows of them.

``downloads`` writes here when one begins, is paused, fails or is over; what its bytes are
stands in ``<id>.part``. A hive that ends in the middle leaves its entries as they are, and its
successor shows them as paused: nothing is fetched again that nobody asks for anew. The file
is small and a hint: without it only the list is lost, never a byte.
"""

from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import msgspec

from rbee.contracts.models import Download, DownloadState
from rbee.errors import StorageError
from rbee.foundation import logs
from rbee.hive.models.kept import read_kept, write_kept

ENTRIES_MAX: Final = 100  # nobody looks through more; the oldest go
INTERRUPTED: Final = "The hive ended meanwhile; resuming goes on from there."

_log = logs.get(__name__)


class Entry(msgspec.Struct, kw_only=True):
    """One download. ``held``: a person paused it, so that only a person has it go on."""

    model: str
    name: str
    state: DownloadState
    since: float
    source: str | None = None
    from_hive: str | None = None
    bytes: int = 0
    total: int | None = None
    held: bool = False
    reason: str | None = None
    remedy: str | None = None

    def row(self) -> Download:
        """As beats tell it."""
        return Download(
            model=self.model,
            name=self.name,
            state=self.state,
            bytes=self.bytes,
            total=self.total,
            source=self.source,
            from_hive=self.from_hive,
            reason=self.reason,
            remedy=self.remedy,
            since=self.since,
        )


class _File(msgspec.Struct, kw_only=True):
    format: int = 1
    entries: list[Entry] = msgspec.field(default_factory=list[Entry])


class DownloadBook:
    """The entries by model. Without a path they are of this process alone."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}
        self._writing = anyio.Lock()

    def load(self) -> None:
        """Read what an earlier hive left; blocking."""
        if self._path is None:
            return
        for entry in read_kept(self._path, _File).entries:
            if entry.state in {"running", "queued"}:
                entry.state, entry.reason = "paused", INTERRUPTED
            self._entries[entry.model] = entry

    def all(self) -> list[Entry]:
        """Every entry, those asked for first first."""
        return list(self._entries.values())

    def get(self, model_id: str) -> Entry | None:
        """The entry of a model, if there is one."""
        return self._entries.get(model_id)

    def find(self, name: str) -> Entry | None:
        """The entry that a name means: an id, or what the model is called."""
        wanted = name.strip().casefold()
        for entry in self._entries.values():
            if wanted in {entry.model.casefold(), entry.name.casefold()}:
                return entry
        return None

    def enter(self, entry: Entry) -> None:
        """Take it in, instead of an earlier one of the same model; not yet written down."""
        self._entries[entry.model] = entry
        while len(self._entries) > ENTRIES_MAX:
            del self._entries[next(iter(self._entries))]

    async def put(self, entry: Entry) -> None:
        """Take it in and write it down."""
        self.enter(entry)
        await self._write()

    async def drop(self, model_id: str) -> None:
        """It is over."""
        if self._entries.pop(model_id, None) is not None:
            await self._write()

    async def _write(self) -> None:
        """Write it down. A full disk stops no download; the next change tries again."""
        if self._path is None:
            return
        async with self._writing:
            file = _File(entries=self.all())
            try:
                await anyio.to_thread.run_sync(write_kept, self._path, file)
            except StorageError as error:
                _log.warning("downloads not kept", reason=error.message)
