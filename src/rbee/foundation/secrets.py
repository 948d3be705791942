"""A user's secrets: the platform's keyring where there is one, else files of mode 0600.

The keyring is the extra ``keyring``; a machine without a desktop has none that works, and
then a file that only its owner can read is what ssh does too. Each secret has a small file
under ``<config>/secrets``; it holds the secret, or says that the keyring has it, so that a
command without secrets never loads or unlocks a keyring. Secrets are never arguments of a
program, never in the environment of a child, never logged. ``keeper`` keeps keys here.
"""

from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec

from rbee.errors import StorageError
from rbee.foundation import paths
from rbee.foundation.files import make_private_dir, read_struct, write_struct

Place = Literal["keyring", "file"]

_SERVICE: Final = "rbee"  # the name under which a keyring shows what is ours
_NAME_DIGITS: Final = 32  # of a hash: names are URLs, which are no file names


class _Kept(msgspec.Struct, frozen=True):
    """One secret's file. ``secret`` is null when the keyring has it."""

    name: str
    secret: str | None = None


def keep(name: str, secret: str, *, keyring: bool = True) -> Place:
    """Keep ``secret`` under ``name``; says where. ``keyring`` false: in a file in any case.

    Raises:
        StorageError: the folder cannot be written.
    """
    place: Place = "keyring" if keyring and _into_keyring(name, secret) else "file"
    path = _path(name)
    try:
        make_private_dir(path.parent)
        write_struct(path, _Kept(name, None if place == "keyring" else secret))
    except OSError as error:
        raise StorageError(
            f"{path.parent} cannot be written: {error.strerror}.",
            remedy="Check the disk and the permissions, or set RBEE_CONFIG_DIR.",
        ) from None
    return place


def find(name: str) -> str | None:
    """The secret under ``name``; None when there is none, or its keyring is locked or gone."""
    kept = read_struct(_path(name), _Kept)
    if kept is None or kept.name != name:
        return None
    return kept.secret if kept.secret is not None else _from_keyring(name)


def forget(name: str) -> None:
    """Forget a secret; nothing happens when there is none."""
    path = _path(name)
    kept = read_struct(path, _Kept)
    if kept is not None and kept.secret is None:
        _out_of_keyring(name)
    path.unlink(missing_ok=True)


def secrets_dir() -> Path:
    """Where the files are."""
    return paths.config_dir() / "secrets"


def _path(name: str) -> Path:
    return secrets_dir() / f"{sha256(name.encode()).hexdigest()[:_NAME_DIGITS]}.json"


def _into_keyring(name: str, secret: str) -> bool:
    """Whether a keyring took it. The import takes 0.1 s and is an extra: hence down here."""
    try:
        import keyring  # noqa: PLC0415  see above
        import keyring.errors  # noqa: PLC0415  see above
    except ImportError:
        return False
    try:
        if keyring.get_keyring().priority <= 0:  # the one that fails, or a plain-text one
            return False
        keyring.set_password(_SERVICE, name, secret)
    except (keyring.errors.KeyringError, RuntimeError):
        return False  # locked, cancelled, or no session bus: a file does as well
    return True


def _from_keyring(name: str) -> str | None:
    try:
        import keyring  # noqa: PLC0415  as in `_into_keyring`
        import keyring.errors  # noqa: PLC0415  as in `_into_keyring`
    except ImportError:
        return None
    try:
        return keyring.get_password(_SERVICE, name)
    except (keyring.errors.KeyringError, RuntimeError):
        return None


def _out_of_keyring(name: str) -> None:
    try:
        import keyring  # noqa: PLC0415  as in `_into_keyring`
        import keyring.errors  # noqa: PLC0415  as in `_into_keyring`
    except ImportError:
        return
    try:
        keyring.delete_password(_SERVICE, name)
    except (keyring.errors.KeyringError, RuntimeError):
        return  # it is gone already, or out of reach; our own file no longer points to it
