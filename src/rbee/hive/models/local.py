"""A file on this machine's disk as a model: catalogued where it lies.

Nothing is copied, and deleting the model deletes the entry alone: the file
belongs to whoever put it there.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rbee.contracts.aliases import parse_repository
from rbee.contracts.models import Model
from rbee.errors import CorruptModel, InvalidRequest, ModelNotFound
from rbee.foundation.gguf import read_header
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.choose import RepositoryFile, models_in, parts_of
from rbee.hive.models.metadata import MODEL_SUFFIX

_PARTS_SHOWN_MAX: Final = 4  # of missing parts, in an error
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")


def looks_like_path(name: str) -> bool:
    """Whether ``name`` is written as a path (``/x``, ``~/x``, ``./x``, a drive) or ends so."""
    text = name.strip()
    if text.startswith(("/", "~", "./", "../", ".\\", "..\\")) or _DRIVE.match(text):
        return True
    return text.lower().endswith(MODEL_SUFFIX) and parse_repository(text) is None


def add_local(catalog: Catalog, name: str) -> Model:
    """Catalogue the one model at ``name``: a file, or a folder that holds no other.

    Raises:
        InvalidRequest: it is no ``.gguf`` file, or the folder holds none or several.
        ModelNotFound, CorruptModel, StorageError: as ``add_all_local``.
    """
    path = _path(name)
    models = _models_at(path)
    if len(models) != 1:
        raise InvalidRequest(
            f"{path} holds {len(models)} models; one is needed.",
            remedy="Give the path of the file itself.",
            param="$.model",
        )
    return _add(catalog, models[0])


def add_all_local(catalog: Catalog, name: str) -> list[Model]:
    """Catalogue the file at ``name``, or every model of the folder there, where they lie.

    Adding one again reads its header again and keeps its id. A model in several
    parts is one model, whose first part the engine loads. The id is the file's
    stem, with a part of the path's digest where another file has that id. All
    headers are read before the first is catalogued: a damaged file stops the whole
    folder, so that nobody has half of it without knowing.

    Raises:
        ModelNotFound: there is no such file.
        InvalidRequest: it is no ``.gguf`` file, or the folder holds none.
        CorruptModel: a file is damaged, or a part is missing.
        StorageError: the catalogue cannot be written.
    """
    models = _models_at(_path(name))
    for files in models:
        for file in files:
            read_header(file)
    return [_add(catalog, files) for files in models]


def _path(name: str) -> Path:
    return Path(os.path.expandvars(name.strip())).expanduser().absolute()


def _add(catalog: Catalog, files: Sequence[Path]) -> Model:
    """Catalogue one model: a file, or all its parts."""
    path, parts = files[0], parts_of(files[0].name)
    stem = model_id = parts.stem if parts else path.stem
    other = catalog.metadata_of(model_id)
    if other is not None and not (other.in_place and Path(other.file) == path):
        model_id = f"{stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    return catalog.add_in_place(path, model_id, parts=files[1:])


def _models_at(path: Path) -> list[list[Path]]:
    """The models at ``path``, each as its files, no projectors or matrices among them."""
    models: dict[Path, list[Path]] = {}
    for file in _files_at(path):
        parts = parts_of(file.name)
        if parts is None:
            models[file] = [file]
        elif file.with_name(parts.names[0]) not in models:
            whole = [file.with_name(name) for name in parts.names]
            _check_parts(whole)
            models[whole[0]] = whole
    return list(models.values())


def _check_parts(files: Sequence[Path]) -> None:
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        shown = ", ".join(missing[:_PARTS_SHOWN_MAX])
        raise CorruptModel(
            f"The model of {files[0]} has {len(files)} parts, and {len(missing)} of them are"
            f" missing: {shown}{', …' if len(missing) > _PARTS_SHOWN_MAX else ''}.",
            remedy="Put all parts into one folder, then try again.",
        )


def _files_at(path: Path) -> list[Path]:
    if path.is_dir():
        listed = [RepositoryFile(file.name) for file in sorted(path.iterdir()) if file.is_file()]
        files = [path / file.path for file in models_in(listed)]
        if not files:
            raise InvalidRequest(
                f"{path} holds no {MODEL_SUFFIX} file with a model.",
                remedy="Give the folder that the files are in, or a file's path.",
                param="$.model",
            )
    elif not path.is_file():
        raise ModelNotFound(
            f"There is no file {path} on the hive's machine.",
            remedy="Give an absolute path; the hive reads it, not the client.",
            param="$.model",
        )
    elif path.suffix.lower() != MODEL_SUFFIX:
        raise InvalidRequest(f"{path} is no {MODEL_SUFFIX} file.", param="$.model")
    else:
        files = [path]
    return files
