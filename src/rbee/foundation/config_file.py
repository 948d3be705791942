"""Changing ``config.toml`` as its owner would: comments, order and spelling stay as they are.

Pure on texts, but for ``read`` and ``write``. What a change means, and whether it is allowed, is
decided elsewhere (``foundation.settings_book``); reading settings is ``foundation.config``.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from rbee.errors import BadSettings, StorageError
from rbee.foundation import paths
from rbee.foundation.files import PRIVATE_FILE_MODE, make_private_dir, write_atomic

_REVISION_LENGTH: Final = 16  # hex digits of a SHA-256: no two states of one file share them
_MODE_BITS: Final = 0o777


def path() -> Path:
    """Where this user's settings stand."""
    return paths.config_dir() / "config.toml"


def read() -> str:
    """The file's text; empty where there is none.

    Raises:
        BadSettings: it cannot be read.
    """
    try:
        return path().read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path()} cannot be read: {error}.") from None


def revision(text: str) -> str:
    """What tells two states of the file apart."""
    return sha256(text.encode()).hexdigest()[:_REVISION_LENGTH]


def changed(text: str, section: str, set_: Mapping[str, Any], unset: Iterable[str]) -> str:
    """The text with some settings of ``[section]`` changed; names may have dots.

    Raises:
        BadSettings: the text is no TOML, or has something else where a section should be.
    """
    try:
        document = tomlkit.parse(text)
        for name in unset:
            _drop(document, [section, *name.split(".")])
        for name, value in set_.items():
            *above, last = name.split(".")
            _table(document, [section, *above])[last] = value
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, ValueError) as error:
        raise BadSettings(
            f"{path()} cannot be changed: {error}.", remedy="Mend the file by hand first."
        ) from None


def write(text: str) -> None:
    """Replace the file in one step; its permissions stay, and a link stays one.

    Raises:
        StorageError: it cannot be written.
    """
    target = path()
    try:
        make_private_dir(target.parent)
        target = target.resolve()
        mode = target.stat().st_mode & _MODE_BITS if target.exists() else PRIVATE_FILE_MODE
        write_atomic(target, text.encode(), mode=mode)
    except OSError as error:
        raise StorageError(
            f"{target} cannot be written: {error.strerror}.",
            remedy="Check the disk and the permissions, or change the file by hand.",
        ) from None


def _table(document: tomlkit.TOMLDocument, way: list[str]) -> Table:
    """The table at the end of the way, made where it is missing."""
    found = cast("Table", document)
    for name in way:
        if name not in found:
            found[name] = tomlkit.table()
        found = cast("Table", found[name])
    return found


def _drop(document: tomlkit.TOMLDocument, way: list[str]) -> None:
    """Take one value out, if it is there; what stands around it stays."""
    found = cast("Table", document)
    *above, last = way
    for name in above:
        if name not in found:
            return
        found = cast("Table", found[name])
    if last in found:
        found.remove(last)
