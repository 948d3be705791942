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
import uuid
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from rbee.contracts.aliases import names_for, parse_repository, resolve_alias
from rbee.contracts.models import Model
from rbee.errors import Conflict, CorruptModel, ModelNotFound, StorageError
from rbee.foundation.files import make_private_dir, read_struct, write_struct
from rbee.hive.models.metadata import MODEL_SUFFIX, Metadata, as_model, complaint, describe
from rbee.hive.models.names import PART_SUFFIX, sanitise_id
from rbee.hive.models.partial import (
    DELETED_PREFIX,
    HIDDEN_PREFIXES,
    METADATA_FILE,
    bytes_in,
    part_folder,
    read_part,
)

_NOBODY: frozenset[str] = frozenset()


class Catalog:
    """The models below ``root`` (made at first use)."""

    def __init__(self, root: Path) -> None:
        self.root = root

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

    def add_in_place(self, path: Path, model_id: str) -> Model:
        """Take in a file where it lies; nothing is copied.

        Raises:
            CorruptModel: the file is no model.
            StorageError: the catalogue cannot be written.
        """
        metadata = describe(path, id=model_id, source=str(path), in_place=True)
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
        folder, metadata = self._entry(model_id)
        if metadata is None or pick([as_model(metadata, loaded=False, reason=None)], alias):
            return
        metadata.aliases.append(alias)
        try:
            write_struct(folder / METADATA_FILE, metadata)
        except OSError as error:
            raise _refused(folder, error) from None

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
                freed += bytes_in(folder)
                _remove(folder)
        return freed

    def sweep(self) -> None:
        """Finish the deletions that a crash interrupted. Called at the hive's start."""
        with suppress(OSError):
            for path in self.root.iterdir():
                if path.name.startswith(HIDDEN_PREFIXES):
                    shutil.rmtree(path, ignore_errors=True)

    # ── the disk ────────────────────────────────────────────────────────────

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


def pick(models: builtins.list[Model], name: str) -> Model | None:
    """The model that ``name`` means among ``models`` (pure; see ``Catalog.resolve``)."""
    wanted = name.strip().casefold()
    if not wanted:
        return None
    ranked = [(rank, model) for model in models if (rank := _rank(model, wanted)) is not None]
    if not ranked and (quality := parse_repository(name)) and quality.quantization:
        here = f"{quality.repo.casefold()}:"
        ranked = [
            (0, model)
            for model in models
            if model.id.casefold().startswith(here) and model.quantization == quality.quantization
        ]
    if not ranked and (source := resolve_alias(name)) and source.kind == "hub":
        here = f"{source.repo.casefold()}:"
        ranked = [(0, model) for model in models if model.id.casefold().startswith(here)]
    states = ("available", "downloading", "corrupt")
    best = min(ranked, key=lambda entry: (entry[0], states.index(entry[1].status)), default=None)
    return best[1] if best else None


def aliases_of(model_id: str, repo: str, asked: str) -> builtins.list[str]:
    """The names that a model of a repository gets: the repository, friendly names, as asked."""
    names = [repo, *names_for(repo), asked.strip()]
    return builtins.list(
        dict.fromkeys(name for name in names if name.casefold() != model_id.casefold())
    )


def _rank(model: Model, wanted: str) -> int | None:
    if model.id.casefold() == wanted:
        return 0
    if model.name.casefold() == wanted:
        return 1
    return 2 if any(alias.casefold() == wanted for alias in model.aliases) else None


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
