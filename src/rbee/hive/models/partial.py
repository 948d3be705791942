"""A model on its way: the folder ``<id>.part`` and who may write in it.

The bytes of a download stay here until they are complete and verified; then one
rename makes them a model. Killed, cancelled or cut, the folder stays and the
next attempt goes on from its bytes. One process at a time: a second one is told
so instead of mixing its bytes in (the lock is the operating system's, so a
killed process leaves none behind).
"""

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from rbee.errors import Conflict, DiskFull, StorageError
from rbee.foundation.files import read_struct, write_struct
from rbee.hive.models.lock import try_lock, unlock
from rbee.hive.models.names import PART_SUFFIX, sanitise_id

PART_FILE: Final = "part.json"
METADATA_FILE: Final = "metadata.json"
LOCKS_FOLDER: Final = ".locks"
DELETED_PREFIX: Final = ".deleted-"
REPLACED_PREFIX: Final = ".old-"
HIDDEN_PREFIXES: Final = (DELETED_PREFIX, REPLACED_PREFIX)
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_RESERVE_BYTES: Final = 256 * 1024 * 1024  # a disk filled to the brim breaks other programs


class Part(msgspec.Struct, kw_only=True):
    """``part.json``: what the folder will be. ``fingerprint`` tells one content from another."""

    id: str
    name: str
    file: str
    source: str
    fingerprint: str
    size_bytes: int | None = None
    aliases: list[str] = msgspec.field(default_factory=list[str])


def part_folder(root: Path, model_id: str) -> Path:
    """Where the model's bytes are while they are incomplete."""
    return root / (sanitise_id(model_id) + PART_SUFFIX)


def read_part(folder: Path) -> Part | None:
    """What a ``.part`` folder will be; None when it does not say."""
    return read_struct(folder / PART_FILE, Part)


def bytes_in(folder: Path) -> int:
    """The bytes of all files in ``folder``."""
    total = 0
    with suppress(OSError):
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in {PART_FILE, METADATA_FILE}:
                total += path.stat().st_size
    return total


def freed_by_removing(folder: Path) -> int:
    """The bytes that the disk has more when ``folder`` is gone.

    A file with another name elsewhere (the starter is linked to its package where
    the file system allows it) frees nothing.
    """
    total = 0
    with suppress(OSError):
        for path in folder.rglob("*"):
            found = path.lstat()
            if (
                path.name not in {PART_FILE, METADATA_FILE}
                and stat.S_ISREG(found.st_mode)
                and found.st_nlink == 1
            ):
                total += found.st_size
    return total


@contextmanager
def open_part(root: Path, part: Part) -> Generator[Path]:
    """The part's folder, ours alone until the block ends.

    Bytes of another content (the fingerprint differs) are thrown away first. A
    folder that holds no bytes at the end is removed.

    Raises:
        Conflict: another process downloads this model now.
        StorageError: the folder cannot be made.
    """
    folder = part_folder(root, part.id)
    try:
        (root / LOCKS_FOLDER).mkdir(parents=True, exist_ok=True)
        lock = (root / LOCKS_FOLDER / f"{folder.name}.lock").open("ab")
    except OSError as error:
        raise out_of_order(root, error) from None
    with lock:
        if not try_lock(lock):
            raise Conflict(
                f"{part.id} is being downloaded by another process.",
                remedy="Wait for it; both use the same models folder.",
            )
        try:
            _prepare(folder, part)
            yield folder
        finally:
            if folder.exists() and not bytes_in(folder):
                shutil.rmtree(folder, ignore_errors=True)
            unlock(lock)


def check_disk(folder: Path, needed_bytes: int, label: str) -> None:
    """Refuse a download that cannot fit.

    Raises:
        DiskFull: says what is needed, what is free and where.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes + DISK_RESERVE_BYTES > free:
        raise DiskFull(
            f"{label} needs {needed_bytes / 1e6:,.0f} MB more (and"
            f" {DISK_RESERVE_BYTES / 1e6:,.0f} MB are kept free); {free / 1e6:,.0f} MB are free"
            f" at {folder}."
        )


def install(part: Path, final: Path) -> None:
    """Make a complete part the model, in one rename. An older folder gives way.

    Raises:
        StorageError: the file system refused.
    """
    try:
        (part / PART_FILE).unlink(missing_ok=True)
        old = None
        if final.exists():
            old = final.with_name(f"{REPLACED_PREFIX}{uuid.uuid4().hex[:12]}")
            final.rename(old)
        part.rename(final)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise out_of_order(final, error) from None


def _prepare(folder: Path, part: Part) -> None:
    try:
        known = read_part(folder)
        if folder.exists() and (known is None or known.fingerprint != part.fingerprint):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_struct(folder / PART_FILE, part)
    except OSError as error:
        raise out_of_order(folder, error) from None


def out_of_order(path: Path, error: OSError) -> StorageError:
    """What the operating system's error means to a person."""
    if error.errno in _NO_SPACE:
        return DiskFull(f"The disk is full at {path}.")
    return StorageError(
        f"The models folder cannot be used at {path}: {error.strerror or error}.",
        remedy="Check its permissions and the disk, or move it with RBEE_CACHE_DIR.",
    )


def sync_file(path: Path) -> None:
    """Have the file's bytes on the disk before the rename that vouches for them."""
    with suppress(PermissionError), path.open("rb+") as file:
        os.fsync(file.fileno())  # a file we may not write was linked here, complete already
