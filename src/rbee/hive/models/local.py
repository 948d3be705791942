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
from rbee.errors import InvalidRequest, ModelNotFound
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.metadata import MODEL_SUFFIX

_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")


def looks_like_path(name: str) -> bool:
    """Whether ``name`` is written as a path (``/x``, ``~/x``, ``./x``, a drive) or ends so."""
    text = name.strip()
    if text.startswith(("/", "~", "./", "../", ".\\", "..\\")) or _DRIVE.match(text):
        return True
    return text.lower().endswith(MODEL_SUFFIX) and parse_repository(text) is None


def add_local(catalog: Catalog, name: str) -> Model:
    """Catalogue the file (or the folder with one model file) at ``name``.

    Adding it again reads its header again and keeps its id. The id is the file's
    stem, with a part of the path's digest where another file has that id.

    Raises:
        ModelNotFound: there is no such file.
        InvalidRequest: it is no ``.gguf`` file, or the folder holds none or several.
        CorruptModel: the file is damaged.
    """
    path = _file_at(Path(os.path.expandvars(name.strip())).expanduser().absolute())
    model_id = path.stem
    other = catalog.metadata_of(model_id)
    if other is not None and not (other.in_place and Path(other.file) == path):
        model_id = f"{path.stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    return catalog.add_in_place(path, model_id)


def _file_at(path: Path) -> Path:
    if path.is_dir():
        files = sorted(path.glob(f"*{MODEL_SUFFIX}"))
        if len(files) != 1:
            raise InvalidRequest(
                f"{path} holds {len(files)} {MODEL_SUFFIX} files; one is needed.",
                remedy="Give the path of the file itself.",
                param="$.model",
            )
        return files[0]
    if not path.is_file():
        raise ModelNotFound(
            f"There is no file {path} on the hive's machine.",
            remedy="Give an absolute path; the hive reads it, not the client.",
            param="$.model",
        )
    if path.suffix.lower() != MODEL_SUFFIX:
        raise InvalidRequest(f"{path} is no {MODEL_SUFFIX} file.", param="$.model")
    return path
