"""How a daemon of this user's colony is found again: it leaves its address in a file.

The daemon writes it once it is bound (``foundation.daemon``) and removes it at
its end; the keeper reads it. The rule: an announcement counts only while that
very process lives, so one that was left behind by a crash is nobody. This file
imports little, because every start of the command line reads it.
"""

from pathlib import Path
from typing import Literal

import msgspec

from rbee.foundation import paths
from rbee.foundation.files import read_struct
from rbee.foundation.processes import ProcessMark, is_alive

Room = Literal["queen", "hive"]


class Announcement(msgspec.Struct, kw_only=True):
    """``<data>/run/<room>.json``: which process serves here, for the keeper."""

    room: Room
    base_url: str
    port: int
    process: ProcessMark


def announcement_path(room: Room) -> Path:
    """Where a running daemon of this user's colony says that it runs."""
    return paths.data_dir() / "run" / f"{room}.json"


def find_announced(room: Room) -> Announcement | None:
    """The daemon that announced itself and still runs, or None."""
    found = read_struct(announcement_path(room), Announcement)
    return found if found is not None and is_alive(found.process) else None
