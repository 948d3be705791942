"""Which colony this machine's hive has joined: ``queen.json`` beside its identity.

``rbee hive join`` writes it last, when key and certificate lie there; the hive reads it at
its start and looks for a newer one while it runs. It loads no cryptography.
"""

from pathlib import Path
from typing import Final

import msgspec

from rbee.foundation.files import read_struct, write_struct

JOINED_FILE: Final = "queen.json"


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """The queen's address, the fingerprint of her CA, and the name that this hive got there."""

    url: str
    ca_fingerprint: str
    hive_id: str
    joined_at: float


def read_joined(folder: Path) -> Joined | None:
    """What was joined; None: nothing, or the file is damaged."""
    return read_struct(folder / JOINED_FILE, Joined)


def write_joined(folder: Path, joined: Joined) -> None:
    """Note that the colony was joined; ``folder`` is there.

    Raises:
        OSError: it cannot be written.
    """
    write_struct(folder / JOINED_FILE, joined)


def joined_stamp(folder: Path) -> int:
    """Another number means that another colony was joined, or the same one anew; 0: none."""
    try:
        return (folder / JOINED_FILE).stat().st_mtime_ns
    except OSError:
        return 0
