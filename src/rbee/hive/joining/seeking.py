"""A hive that nobody told whose it is looks for a queen on its network, and asks to be let in.

The rule: it asks at most one queen, and only when it has nothing to lose: no queen was set,
none was ever joined, and none ever answered on this machine. Two that announce themselves
are one too many. Her CA's fingerprint is taken from the first announcement and kept; the code that
the hive logs and she shows is made of it. ``[hive] discover = false`` ends all this.
"""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio

import rbee
from rbee.client.discovery import FoundQueen, find_queens
from rbee.client.join import Pending, Wish, join
from rbee.errors import Forbidden, RbeeError
from rbee.foundation import logs
from rbee.foundation.files import write_atomic

PATIENCE_S: Final = 5.0  # a queen of this machine that starts together with the hive is up by then
LOOK_S: Final = 3.0  # queens answer within a second; a sleepy access point takes two
LOOK_EVERY_S: Final = 30.0  # a few packets of multicast each time, for ever
REJECTED_PAUSE_S: Final = 3600.0  # an operator said no; she hears nothing for an hour anyway

SEEN_FILE: Final = "queen_seen"
"""In the hive's folder once a queen answered it: it has a colony, even if she is away now."""

_log = logs.get(__name__)


class Seeking:
    """Looks until this hive is a member; ``directory`` is the hive's folder."""

    def __init__(self, hive_id: str, directory: Path) -> None:
        self._hive_id = hive_id
        self._seen = directory / SEEN_FILE
        self._said: object = None

    @property
    def has_colony(self) -> bool:
        """Whether a queen ever answered this hive."""
        return self._seen.exists()

    def note_queen(self) -> None:
        """A queen answers: this hive is not without one."""
        try:
            write_atomic(self._seen, b"")
        except OSError as error:  # it is asked again at the next start
            _log.warning("queen not noted", reason=str(error.strerror))

    async def run(self, alone: Callable[[], bool]) -> None:
        """Look, ask, wait; returns when this machine has joined, or is not ``alone`` any more."""
        while alone():
            found = await find_queens(LOOK_S)
            pause_s = LOOK_EVERY_S
            if len(found) == 1:
                if await self._ask(found[0]):
                    return
                pause_s = REJECTED_PAUSE_S if self._said == "rejected" else LOOK_EVERY_S
            elif found:
                self._say_many(found)
            await anyio.sleep(pause_s)
        self.note_queen()

    async def _ask(self, queen: FoundQueen) -> bool:
        """Ask one queen and wait for her operator; whether this machine is a member now."""
        wish = Wish(
            url=queen.url,
            hive_id=self._hive_id,
            hostname=socket.gethostname(),
            version=rbee.__version__,
            ca_fingerprint=queen.ca_fingerprint,
        )
        self._said = None
        try:
            await join(wish, self._tell)
        except Forbidden as error:
            self._said = "rejected"
            _log.warning("not let in", queen=queen.url, reason=error.message)
            return False
        except RbeeError as error:
            _log.warning("not joined", queen=queen.url, reason=error.message)
            return False
        return True

    def _tell(self, pending: Pending) -> None:
        _log.warning(
            "asks to be let in",
            queen=pending.url,
            code=pending.code,
            colony=pending.ca_fingerprint,
            approve=f"rbee hive approve {self._hive_id}",
        )

    def _say_many(self, found: list[FoundQueen]) -> None:
        urls = [queen.url for queen in found]
        if urls != self._said:
            self._said = urls
            _log.warning("several queens here", queens=urls, remedy="rbee hive join URL")
