"""Small files that must never be half written: state, keys, metadata."""

import os
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")

PRIVATE_FILE_MODE = 0o600
PRIVATE_DIR_MODE = 0o700


def make_private_dir(path: Path) -> Path:
    """Create ``path`` and its parents, readable by this user alone."""
    path.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR_MODE)
    return path


def write_atomic(path: Path, content: bytes, *, mode: int = PRIVATE_FILE_MODE) -> None:
    """Replace ``path`` in one step, so that a reader sees the old or the new content.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_struct(path: Path, value: msgspec.Struct) -> None:
    """Write a struct as indented JSON, atomically, mode 0600."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")


def read_struct(path: Path, type_: type[T]) -> T | None:
    """Read a struct; None when the file is missing, torn or of another shape.

    State files are hints that are checked against the world, so a damaged one is
    the same as none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
