"""The hives that have joined, on disk: whom a restarted queen waits for before she acts."""

from pathlib import Path
from typing import Final

import msgspec

from rbee.foundation.files import make_private_dir, read_struct, write_struct
from rbee.queen.registry.hives import HiveView

KNOWN_MAX: Final = 20_000  # as many as the registry takes


class KnownHive(msgspec.Struct, kw_only=True):
    """A hive that beat at least once."""

    id: str
    url: str


class KnownHives(msgspec.Struct, kw_only=True):
    """``<data>/queen/hives.json``."""

    hives: list[KnownHive] = msgspec.field(default_factory=list[KnownHive])


def load(path: Path) -> KnownHives:
    """What the last queen knew; nothing when the file is missing or damaged."""
    return read_struct(path, KnownHives) or KnownHives()


def merged(known: KnownHives, seen: list[HiveView]) -> KnownHives | None:
    """``known`` with the hives that beat by now; None when that changes nothing."""
    rows = {hive.id: hive.url for hive in known.hives}
    fresh = {str(hive.id): hive.url for hive in seen if hive.beat_age_s is not None}
    if all(rows.get(hive_id) == url for hive_id, url in fresh.items()):
        return None
    rows.update(fresh)
    newest = list(rows.items())[-KNOWN_MAX:]
    return KnownHives(hives=[KnownHive(id=hive_id, url=url) for hive_id, url in newest])


def save(path: Path, known: KnownHives) -> None:
    """Write the file.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    make_private_dir(path.parent)
    write_struct(path, known)
