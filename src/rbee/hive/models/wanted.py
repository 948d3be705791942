"""What a source promises to bring: the seam between sources and the coordinator.

A source (``hub``, ``package``) turns a name into a ``Wanted``; ``downloads``
knows no more of a source than this.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import msgspec

from rbee.foundation.gguf import GgufHeader
from rbee.foundation.pace import Pace

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
    source cannot. ``at_hand``: nothing has to come over a network. ``outside`` is false
    where only hives of the colony have it, ``from_hive`` the one to take it from first.
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
    at_hand: bool = False
    outside: bool = True
    from_hive: str | None = None


Outside: TypeAlias = Callable[[str], Awaitable[Wanted]]
"""``outside(id)``: what an id means at the sources outside of the colony."""


class Turn(Protocol):
    """One download, as the colony sees it (``sharing/source``)."""

    async def keep(self) -> None:
        """Run beside the download, until it ends."""
        ...

    async def bring(self, folder: Path, reporter: Reporter, pace: Pace) -> None:
        """As ``Wanted.bring``: from a hive that has it, else from outside."""
        ...

    def blame(self) -> bool:
        """What came was damaged: whether it came from a hive, which is now passed over."""
        ...

    async def end(self, *, arrived: bool) -> None:
        """Tell the colony that this download is over."""
        ...


class Colony(Protocol):
    """The colony as a source: the seam between ``downloads`` and ``sharing/source``."""

    async def find(
        self, name: str, from_hive: str | None, outside: Outside, say: Say
    ) -> Wanted | None:
        """What ``name`` means among the models of other hives; None when none has it."""
        ...

    def turn(self, wanted: Wanted, say: Say) -> Turn:
        """Begin a download of ``wanted``."""
        ...
