"""Small JSON files of what a hive measured: read whole, written whole, never in the way.

A file that is missing, torn, of another version or too large to be ours is the same
as none: what was measured is measured again.
"""

from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from rbee.errors import StorageError
from rbee.foundation.files import make_private_dir, read_struct, write_struct

FILE_BYTES_MAX: Final = 4 * 1024 * 1024  # nothing of ours is that large, so it is not read


class Versioned(Protocol):
    """A file's content that says which version it is of."""

    format: int


F = TypeVar("F", bound=Versioned)


def read_kept(path: Path, type_: type[F]) -> F:
    """The file's content; ``type_()``, which is empty, where there is none to use."""
    empty = type_()
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            return empty
    except OSError:
        return empty
    file = read_struct(path, type_)
    return empty if file is None or file.format != empty.format else file


def write_kept(path: Path, content: msgspec.Struct) -> None:
    """Write the file anew.

    Raises:
        StorageError: the folder or the disk does not let us.
    """
    try:
        make_private_dir(path.parent)
        write_struct(path, content)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}.",
            remedy="Check the folder's permissions and the disk.",
        ) from None
