"""What a source promises to bring: the seam between sources and the coordinator.

A source (``hub``, ``package``) turns a name into a ``Wanted``; ``downloads``
knows no more of a source than this.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import msgspec

from rbee.foundation.gguf import GgufHeader
from rbee.hive.models.pace import Pace

Phase = Literal["download", "verify", "install"]

Reporter = Callable[[int, int | None, Phase], None]
"""``reporter(bytes_so_far, total, phase)``."""

Say = Callable[[str], None]
"""Tell the person who waits one sentence."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One model that can be brought.

    ``bring(folder, reporter, pace)`` leaves the complete file at ``folder / file``,
    going on from what an earlier attempt left in ``folder``, no faster than ``pace``. ``sha256`` is what
    the file must have (null: the source gives none). ``disk_bytes`` is what the
    whole takes on disk while it is brought, ``size_bytes`` what stays. ``inspect``
    reads the file's header where it lies, without bringing it; null where the
    source cannot.
    """

    id: str
    name: str | None
    file: str
    source: str
    fingerprint: str
    bring: Callable[[Path, Reporter, Pace], Awaitable[None]]
    inspect: Callable[[], Awaitable[GgufHeader]] | None = None
    aliases: tuple[str, ...] = ()
    size_bytes: int | None = None
    disk_bytes: int | None = None
    sha256: str | None = None
