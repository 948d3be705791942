"""One hive per data directory: two would fight over the same workers.

The lock is the operating system's on an open file, so a hive that was killed
gives it back; the file's text says who has it.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rbee.errors import AlreadyRunning, StorageError
from rbee.foundation.daemon import find_announced
from rbee.foundation.files import make_private_dir
from rbee.hive.models.lock import try_lock, unlock

LOCK_FILE = "hive.lock"


@contextmanager
def only_one(directory: Path) -> Generator[None]:
    """Be the only hive of ``directory`` for the length of the block.

    Raises:
        AlreadyRunning: another one is; says which process.
        StorageError: the directory cannot be written.
    """
    try:
        make_private_dir(directory)
        file = (directory / LOCK_FILE).open("a+b")
    except OSError as error:
        raise StorageError(
            f"{directory} cannot be written: {error.strerror}.",
            remedy="Check the disk and the permissions, or set RBEE_DATA_DIR.",
        ) from None
    with file:
        if not try_lock(file):
            raise AlreadyRunning(
                f"A hive runs already{_who(directory)} with the data in {directory.parent}.",
                remedy="`rbee hive stop` ends it; RBEE_DATA_DIR gives another hive its own data.",
            )
        _sign(directory)
        try:
            yield
        finally:
            unlock(file)


def _who(directory: Path) -> str:
    announced = find_announced("hive")
    if announced is not None:
        return f" as process {announced.process.pid} at {announced.base_url}"
    try:
        return f" as process {int((directory / 'hive.pid').read_text(encoding='ascii'))}"
    except (OSError, ValueError):
        return ""


def _sign(directory: Path) -> None:
    """Leave our pid in a file of its own: a locked one cannot be read on Windows."""
    (directory / "hive.pid").write_text(str(os.getpid()), encoding="ascii")
