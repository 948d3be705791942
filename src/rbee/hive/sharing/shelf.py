"""This hive's model files by their SHA-256: what others may be given, and where it lies.

The catalogue knows models by id; a reader knows a digest. A file that was catalogued
in place has no digest until somebody wants it: it is computed then, once, and kept
beside the model. A file that was written to since then is read anew, for a name that
does not fit its bytes would only cost the reader a download. All of this blocks; the
callers (``api/model_files``) run it in threads.
"""

from pathlib import Path

import msgspec

from rbee.contracts.models import Model
from rbee.errors import Conflict, ModelNotFound, StorageError
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.following import digest_of
from rbee.hive.models.metadata import Metadata, as_model


class Shelved(msgspec.Struct, frozen=True, kw_only=True):
    """A file that can be given away."""

    model: Model
    path: Path
    sha256: str
    size_bytes: int


class Shelf:
    """The files of one catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._ids: dict[str, str] = {}  # digest to the model's id, as it was last time

    def by_digest(self, digest: str) -> Shelved:
        """The file with this digest (64 digits of lower-case hex).

        Raises:
            ModelNotFound: none here, or it is damaged or was changed.
        """
        known = self._ids.get(digest)
        found = self._shelved(known, digest) if known is not None else None
        if found is None:
            ids = (row.id for row in self._catalog.list() if row.sha256 == digest)
            candidates = (self._shelved(model_id, digest) for model_id in ids)
            found = next((one for one in candidates if one is not None), None)
        if found is None:
            self._ids.pop(digest, None)
            raise ModelNotFound(f"No model file here has the sha256 {digest}.")
        self._ids[digest] = found.model.id
        return found

    def known(self, model_id: str) -> Shelved | None:
        """The file of a model whose digest is known; None where it has to be read first.

        Raises:
            ModelNotFound, CorruptModel: as ``Catalog.file_of``.
            Conflict: the model lies in several files.
        """
        metadata, path = self._of(model_id)
        if metadata.sha256 is None or not _untouched(metadata, path):
            return None
        return _as_shelved(metadata, path)

    def read(self, model_id: str) -> Shelved:
        """The file of a model, read from its first byte to its last for the digest.

        Raises:
            StorageError: the file cannot be read, or the digest not be kept.
            RbeeError: as ``known``.
        """
        metadata, path = self._of(model_id)
        try:
            stamp_ns = path.stat().st_mtime_ns
            digest = digest_of(path)
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror or error}.") from None
        metadata = self._catalog.note_digest(model_id, digest, stamp_ns) or metadata
        return _as_shelved(metadata, path)

    def _of(self, model_id: str) -> tuple[Metadata, Path]:
        path = self._catalog.file_of(model_id)
        metadata = self._catalog.metadata_of(model_id)
        if metadata is None:
            raise ModelNotFound(f"No model here is called {model_id!r}.", param="$.model")
        if metadata.parts:
            raise Conflict(
                f"{model_id} lies in {len(metadata.parts) + 1} files, which cannot be copied yet.",
                remedy="Copy the files by hand, then `rbee model download FOLDER` on the other"
                " machine; or merge them into one (llama.cpp: `llama-gguf-split --merge`).",
            )
        return metadata, path

    def _shelved(self, model_id: str, digest: str) -> Shelved | None:
        metadata = self._catalog.metadata_of(model_id)
        if metadata is None or metadata.sha256 != digest or metadata.parts:
            return None
        path = metadata.path(self._catalog.folder_of(model_id))
        return _as_shelved(metadata, path) if _untouched(metadata, path) else None


def _untouched(metadata: Metadata, path: Path) -> bool:
    """Whether the file is as it was when its digest was taken, as far as ``stat`` can tell."""
    try:
        found = path.stat()
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (metadata.size_bytes, metadata.mtime_ns)


def _as_shelved(metadata: Metadata, path: Path) -> Shelved:
    return Shelved(
        model=as_model(metadata, loaded=False, reason=None),
        path=path,
        sha256=metadata.sha256 or "",
        size_bytes=metadata.size_bytes,
    )
