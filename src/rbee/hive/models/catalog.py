"""The models on this machine's disk: ``<models>/<sanitised id>/metadata.json`` and a file.

The disk is the only state: every answer is read from it, so a catalogue is
right after a crash, a second hive or a hand that deleted a folder. A model
appears by one rename (``partial.install``) and is never half there. What cannot
be used is listed with its reason instead of hidden. The hive's operations call
``list``, ``resolve``, ``file_of`` and ``delete``; ``downloads`` adds. All calls
are blocking and short; the names given are matched without case.
"""

import builtins
import shutil
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from rbee.contracts.models import Model
from rbee.errors import Conflict, CorruptModel, ModelNotFound, StorageError
from rbee.foundation.files import make_private_dir, read_struct, write_struct
from rbee.hive.models.lookup import pick
from rbee.hive.models.metadata import (
    MODEL_SUFFIX,
    Metadata,
    as_model,
    complaint,
    describe,
    with_parts,
)
from rbee.hive.models.names import PART_SUFFIX, sanitise_id
from rbee.hive.models.partial import (
    DELETED_PREFIX,
    HIDDEN_PREFIXES,
    METADATA_FILE,
    bytes_in,
    freed_by_removing,
    part_folder,
    read_part,
)
from rbee.hive.models.quota import Held

_NOBODY: frozenset[str] = frozenset()


class Catalog:
    """The models below ``root`` (made at first use)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._changing = threading.Lock()

    # ── reading ─────────────────────────────────────────────────────────────

    def list(
        self, *, loaded: Collection[str] = _NOBODY, active: Collection[str] = _NOBODY
    ) -> list[Model]:
        """Every model, sorted by id: usable, damaged and on its way.

        ``loaded`` are the ids that workers hold now, ``active`` those being
        downloaded now; they only colour the rows.
        """
        rows = {row.id.casefold(): row for row in self._partial(active)}
        for folder, metadata in self._complete():
            if metadata is None:
                row = _unreadable(folder)
            else:
                row = as_model(
                    metadata,
                    loaded=metadata.id in loaded,
                    reason=complaint(metadata, folder),
                )
            rows[row.id.casefold()] = row
        return sorted(rows.values(), key=lambda row: row.id.casefold())

    def resolve(
        self,
        name: str,
        *,
        loaded: Collection[str] = _NOBODY,
        active: Collection[str] = _NOBODY,
    ) -> Model | None:
        """The model that ``name`` means here; None when there is none.

        An id wins over a name, a name over an alias; among equals a usable model
        wins. ``org/repo:QUANT`` means that quality of the repository.
        """
        return pick(self.list(loaded=loaded, active=active), name)

    def get(
        self,
        name: str,
        *,
        loaded: Collection[str] = _NOBODY,
        active: Collection[str] = _NOBODY,
    ) -> Model:
        """As ``resolve``.

        Raises:
            ModelNotFound: nothing here has this name.
        """
        model = self.resolve(name, loaded=loaded, active=active)
        if model is None:
            raise ModelNotFound(f"No model here is called {name!r}.", param="$.model")
        return model

    def file_of(self, name: str) -> Path:
        """The file that an engine loads.

        Raises:
            ModelNotFound: nothing here has this name.
            CorruptModel: the file is damaged, gone or still on its way.
        """
        model = self.get(name)
        if model.status == "downloading":
            raise CorruptModel(
                f"{model.id} is not complete yet.",
                remedy=f"`rbee model download {model.id}` goes on with it.",
            )
        if model.reason is not None:
            raise CorruptModel(f"{model.id} cannot be used: {model.reason}.")
        folder, metadata = self._entry(model.id)
        if metadata is None:
            raise CorruptModel(f"The metadata of {model.id} cannot be read.")
        return metadata.path(folder)

    def metadata_of(self, model_id: str) -> Metadata | None:
        """What ``metadata.json`` says of an id, header included; None without one."""
        return self._entry(model_id)[1]

    def folder_of(self, model_id: str) -> Path:
        """The folder that a model with this id is put into."""
        return self.root / sanitise_id(model_id)

    # ── changing ────────────────────────────────────────────────────────────

    def add_in_place(self, path: Path, model_id: str, parts: Sequence[Path] = ()) -> Model:
        """Take in a file where it lies; nothing is copied. ``parts`` are the other parts of it.

        Raises:
            CorruptModel: the file is no model.
            StorageError: the catalogue cannot be written.
        """
        metadata = describe(path, id=model_id, source=str(path), in_place=True)
        if parts:
            metadata = with_parts(metadata, parts)
        folder = self.folder_of(model_id)
        try:
            make_private_dir(self.root)
            folder.mkdir(exist_ok=True)
            write_struct(folder / METADATA_FILE, metadata)
        except OSError as error:
            raise _refused(folder, error) from None
        return as_model(metadata, loaded=False, reason=None)

    def add_alias(self, model_id: str, alias: str) -> None:
        """Remember one more name for a model, unless it leads there already.

        Raises:
            StorageError: the catalogue cannot be written.
        """
        metadata = self.metadata_of(model_id)
        if metadata is None or pick([as_model(metadata, loaded=False, reason=None)], alias):
            return
        self._change(model_id, lambda known: known.aliases.append(alias))

    def delete(
        self,
        name: str,
        *,
        loaded: Collection[str] = _NOBODY,
        active: Collection[str] = _NOBODY,
    ) -> int:
        """Delete a model, or what there is of it; the bytes that this freed.

        A file that was catalogued in place stays where it is: only the entry goes.

        Raises:
            ModelNotFound: nothing here has this name.
            Conflict: a worker holds it, or it is being downloaded.
            StorageError: the file system refused.
        """
        model = self.get(name, loaded=loaded, active=active)
        if model.id in loaded:
            raise Conflict(
                f"{model.id} is loaded by a worker.",
                remedy="Stop its workers (`rbee worker stop ID`), then delete it.",
            )
        if model.id in active:
            raise Conflict(f"{model.id} is being downloaded.", remedy="Cancel its download first.")
        freed = 0
        for folder in (self._entry(model.id)[0], part_folder(self.root, model.id)):
            if folder.exists():
                freed += freed_by_removing(folder)
                _remove(folder)
        return freed

    def drop_part(self, model_id: str) -> int:
        """Delete what has come of a download; the bytes that this freed.

        Raises:
            StorageError: the file system refused.
        """
        folder = part_folder(self.root, model_id)
        if not folder.exists():
            return 0
        freed = freed_by_removing(folder)
        _remove(folder)
        return freed

    def pin(self, name: str, *, pinned: bool) -> Model:
        """Keep a model whatever the quota says, or no more; the model as it is then.

        Raises:
            ModelNotFound: nothing complete here has this name.
            StorageError: the catalogue cannot be written.
        """
        model = self.get(name)
        changed = self._change(model.id, lambda metadata: setattr(metadata, "pinned", pinned))
        if changed is None:
            raise ModelNotFound(
                f"{model.id} is not complete, so it cannot be pinned.",
                remedy=f"Download it first: `rbee model download {model.id}`.",
                param="$.model",
            )
        return as_model(changed, loaded=False, reason=None)

    def note_digest(self, model_id: str, digest: str, mtime_ns: int) -> Metadata | None:
        """Remember the SHA-256 of a file as it was at ``mtime_ns``; its metadata then.

        Raises:
            StorageError: the catalogue cannot be written.
        """

        def change(metadata: Metadata) -> None:
            metadata.sha256, metadata.mtime_ns = digest, mtime_ns

        return self._change(model_id, change)

    def touch(self, model_id: str, now: float) -> None:
        """Note that a worker of the model started or ended at ``now`` (Unix seconds).

        Raises:
            StorageError: the catalogue cannot be written.
        """
        self._change(model_id, lambda metadata: setattr(metadata, "last_used_at", now))

    def sweep(self) -> None:
        """Finish the deletions that a crash interrupted. Called at the hive's start."""
        with suppress(OSError):
            for path in self.root.iterdir():
                if path.name.startswith(HIDDEN_PREFIXES):
                    shutil.rmtree(path, ignore_errors=True)

    def holdings(
        self, *, loaded: Collection[str] = _NOBODY, active: Collection[str] = _NOBODY
    ) -> builtins.list[Held]:
        """What each model takes of the quota, and why it stays if it does.

        Files that were catalogued in place take nothing: they are not ours.
        """
        rows: builtins.list[Held] = []
        for folder in self._folders():
            size_bytes = freed_by_removing(folder)
            if folder.name.endswith(PART_SUFFIX):
                if part := read_part(folder):
                    used_at = folder.stat().st_mtime
                    kept = "downloading" if part.id in active else None
                    rows.append(Held(id=part.id, size_bytes=size_bytes, used_at=used_at, kept=kept))
                continue
            metadata = read_struct(folder / METADATA_FILE, Metadata)
            if metadata is not None:
                rows.append(_held(metadata, size_bytes, loaded, active))
        return rows

    # ── the disk ────────────────────────────────────────────────────────────

    def _change(self, model_id: str, change: Callable[[Metadata], object]) -> Metadata | None:
        """Read, change and replace a model's metadata; None when there is none.

        The lock is for the pool's threads, in which all of this runs: two changes
        at once would lose one of them.
        """
        with self._changing:
            folder, metadata = self._entry(model_id)
            if metadata is None:
                return None
            change(metadata)
            try:
                write_struct(folder / METADATA_FILE, metadata)
            except OSError as error:
                raise _refused(folder, error) from None
            return metadata

    def _folders(self) -> Iterator[Path]:
        try:
            found = sorted(self.root.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(self.root, error) from None
        for path in found:
            if path.is_dir() and not path.name.startswith("."):
                yield path

    def _entry(self, model_id: str) -> tuple[Path, Metadata | None]:
        """Where a model is: in its own folder, or in one that a person named."""
        own = self.folder_of(model_id)
        if metadata := read_struct(own / METADATA_FILE, Metadata):
            return own, metadata
        for folder, found in self._complete():
            if model_id == (found.id if found else folder.name):
                return folder, found
        return own, None

    def _complete(self) -> Iterator[tuple[Path, Metadata | None]]:
        for folder in self._folders():
            if folder.name.endswith(PART_SUFFIX):
                continue
            metadata = read_struct(folder / METADATA_FILE, Metadata)
            if metadata is not None or (folder / METADATA_FILE).exists():
                yield folder, metadata
            else:
                yield from _adopted(folder)

    def _partial(self, active: Collection[str]) -> Iterator[Model]:
        for folder in self._folders():
            if not folder.name.endswith(PART_SUFFIX) or (part := read_part(folder)) is None:
                continue
            have, total = bytes_in(folder), part.size_bytes
            of = f" of {total:,}" if total is not None else ""
            stopped = f"stopped after {have:,}{of} bytes; download it again to go on"
            yield Model(
                id=part.id,
                name=part.name,
                size_bytes=total,
                status="downloading",
                aliases=part.aliases,
                source=part.source,
                reason=None if part.id in active else stopped,
            )


def _held(
    metadata: Metadata, size_bytes: int, loaded: Collection[str], active: Collection[str]
) -> Held:
    kept = "pinned" if metadata.pinned else None
    if metadata.id in active:
        kept = "downloading"
    if metadata.id in loaded:
        kept = "loaded"
    return Held(
        id=metadata.id,
        size_bytes=0 if metadata.in_place else size_bytes,
        used_at=metadata.last_used_at or metadata.added_at,
        kept=kept,
    )


def _adopted(folder: Path) -> Iterator[tuple[Path, Metadata | None]]:
    """A folder that a person put there: one model file and no metadata."""
    files = sorted(folder.glob(f"*{MODEL_SUFFIX}"))
    if len(files) != 1:
        return
    try:
        metadata = describe(files[0], id=files[0].stem, source=str(files[0]))
    except CorruptModel:
        yield folder, None
        return
    with suppress(OSError):  # a folder that cannot be written is read again next time
        write_struct(folder / METADATA_FILE, metadata)
    yield folder, metadata


def _unreadable(folder: Path) -> Model:
    return Model(
        id=folder.name,
        name=folder.name,
        status="corrupt",
        reason=f"neither {METADATA_FILE} nor a model file in {folder} can be read",
    )


def _remove(folder: Path) -> None:
    """Out of sight in one step, then off the disk: a crash leaves no half model."""
    hidden = folder.with_name(f"{DELETED_PREFIX}{uuid.uuid4().hex[:12]}")
    try:
        folder.rename(hidden)
        shutil.rmtree(hidden)
    except OSError as error:
        raise _refused(folder, error) from None


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The models folder cannot be changed at {path}: {error.strerror or error}.",
        remedy="Check its permissions and the disk.",
    )
