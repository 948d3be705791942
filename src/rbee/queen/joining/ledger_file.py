"""The books of joining on disk: ``joining.json``. Blocking."""

from pathlib import Path

import msgspec

from rbee.errors import CorruptStore
from rbee.foundation.files import make_private_dir, write_atomic
from rbee.queen.joining.books import Ledger


def read_ledger(path: Path) -> Ledger:
    """The books on disk; none are empty ones.

    Raises:
        CorruptStore: damaged. Empty books instead would shut every hive out.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ledger)
    except FileNotFoundError:
        return Ledger()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptStore(
            f"{path} cannot be read: {error}.",
            remedy="Restore it from a backup, or move it away: all hives then have to join again.",
        ) from None


def write_ledger(path: Path, content: bytes) -> None:
    """Replace the file, readable by its owner alone.

    Raises:
        OSError: it cannot be written; the old one is still whole.
    """
    make_private_dir(path.parent)
    write_atomic(path, content)
