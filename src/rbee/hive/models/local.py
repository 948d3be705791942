"""A file on this machine's disk as a model: catalogued where it lies.

Nothing is copied, and deleting the model deletes the entry alone: the file
belongs to whoever put it there.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from rbee.contracts.aliases import parse_repository
from rbee.contracts.models import Model
from rbee.errors import CorruptModel, InvalidRequest, ModelNotFound
from rbee.foundation.gguf import read_header
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.choose import RepositoryFile, is_part, models_in
from rbee.hive.models.metadata import MODEL_SUFFIX

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
    files = _models_at(path)
    if len(files) != 1:
        raise InvalidRequest(
            f"{path} holds {len(files)} models; one is needed.",
            remedy="Give the path of the file itself.",
            param="$.model",
        )
    return _add(catalog, files[0])


def add_all_local(catalog: Catalog, name: str) -> list[Model]:
    """Catalogue the file at ``name``, or every model of the folder there, where they lie.

    Adding one again reads its header again and keeps its id. The id is the file's
    stem, with a part of the path's digest where another file has that id. All
    headers are read before the first is catalogued: a damaged file stops the whole
    folder, so that nobody has half of it without knowing.

    Raises:
        ModelNotFound: there is no such file.
        InvalidRequest: it is no ``.gguf`` file, or the folder holds none.
        CorruptModel: a file is damaged, or one of several parts.
        StorageError: the catalogue cannot be written.
    """
    files = _models_at(_path(name))
    for file in files:
        read_header(file)
    return [_add(catalog, file) for file in files]


def _path(name: str) -> Path:
    return Path(os.path.expandvars(name.strip())).expanduser().absolute()


def _add(catalog: Catalog, path: Path) -> Model:
    model_id = path.stem
    other = catalog.metadata_of(model_id)
    if other is not None and not (other.in_place and Path(other.file) == path):
        model_id = f"{path.stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    return catalog.add_in_place(path, model_id)


def _models_at(path: Path) -> list[Path]:
    """The model files at ``path``, no projectors or matrices among them."""
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
    for file in files:
        if is_part(file.name):
            raise CorruptModel(
                f"{file} is one of several parts of a model, which rbee does not load yet.",
                remedy="Merge the parts with llama.cpp's gguf-split, and give the whole file.",
            )
    return files
