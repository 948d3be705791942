"""The hive's ties to its queen: the link, the beats, the certificate; and a change of queen.

Who she is can change while the hive runs: ``rbee hive join`` writes down another one, and
within a second everything here is begun anew towards her. Workers and downloads of the hive do
not notice. A hive without a queen looks for one (``joining.seeking``).
"""

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel
import msgspec

from rbee.contracts.ids import HiveId
from rbee.errors import BadSettings
from rbee.foundation import logs
from rbee.foundation.hive_id import hive_dir
from rbee.foundation.http.tls import QUEEN, Peer, identity_context
from rbee.foundation.identity.joined import joined_stamp
from rbee.hive.address import advertised, colony_address, outside_of
from rbee.hive.engines.engine import Outside
from rbee.hive.epochs import Epochs
from rbee.hive.heartbeat import Facts, Sender
from rbee.hive.joining.membership import check_membership, is_alone, queen_of
from rbee.hive.joining.renewal import Renewal
from rbee.hive.joining.seeking import PATIENCE_S, Seeking
from rbee.hive.link.links import Links
from rbee.hive.link.serving import MakeHttp
from rbee.hive.settings import HiveSettings
from rbee.hive.workers.roster import Roster

LOOK_EVERY_S: Final = 0.5  # one stat call; a person who has just joined waits for it

_log = logs.get(__name__)


class Ties:
    """To one queen at a time. ``settings`` are the hive's, with the URL of that queen."""

    def __init__(
        self, settings: HiveSettings, hive_id: HiveId, *, key: str | None, identity: Path
    ) -> None:
        """``identity`` is the folder of this hive's certificate, filled now or later.

        Raises:
            BadSettings: it was joined under another name.
        """
        check_membership(identity, hive_id)
        self._given = settings
        self._hive_id = hive_id
        self._key = key
        self._identity = identity
        self._seeking = Seeking(hive_id, hive_dir())
        self._sender: Sender | None = None
        self.turned: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint
        """Called when the queen is another one, before the first word to her."""
        self._look_up()

    def _look_up(self) -> None:
        """Who the queen is now, and how this machine is reached from her."""
        self._stamp = joined_stamp(self._identity)
        url = queen_of(self._given, self._identity)
        self.settings = msgspec.structs.replace(self._given, queen_url=url)
        self.address = advertised(self.settings)
        self._colony = colony_address(url)
        self.tls: ssl.SSLContext | None = (
            identity_context(self._identity, expects=QUEEN) if url.startswith("https:") else None
        )

    @property
    def queen_url(self) -> str:
        """Her address."""
        return self.settings.queen_url

    @property
    def queen_peer(self) -> Peer | None:
        """Who opens the link's streams, where her certificate was checked."""
        return None if self.tls is None else Peer(uri=QUEEN, serial=0, not_after_s=0.0)

    def outside(self) -> Outside | None:
        """Where workers take her connections; see ``address.outside_of``."""
        return outside_of(self.settings, self.queen_url, self._colony, self._identity)

    def queen_silent_s(self, now: float) -> float | None:
        """For how long she has not answered; ``now`` is monotonic, None: she never did."""
        return None if self._sender is None else self._sender.queen_silent_s(now)

    async def last(self) -> None:
        """One beat out of turn, for a hive that goes."""
        if self._sender is not None:
            await self._sender.last()

    async def run(
        self, facts: Callable[[], Facts], roster: Roster, epochs: Epochs, http: MakeHttp
    ) -> None:
        """Speak with the queen, whoever she is at the time, until cancelled."""
        while True:
            links = Links(
                self.queen_url,
                hive_id=self._hive_id,
                key=self._key,
                identity=self._identity,
                epochs=epochs,
                http=http,
                roster=roster,
            )
            sender = Sender(self.queen_url, self._key, facts(), roster, links.main, tls=self.tls)
            self._sender = sender
            async with anyio.create_task_group() as talking:
                talking.start_soon(links.run)
                talking.start_soon(sender.run)
                talking.start_soon(Renewal(self.queen_url, self._identity, self.tls).run)
                talking.start_soon(self._seek, sender)
                await self._changed()
                talking.cancel_scope.cancel()
            await self.turned()

    async def _changed(self) -> None:
        """Return when another colony was joined, or this one anew."""
        while True:
            await anyio.sleep(LOOK_EVERY_S)
            if joined_stamp(self._identity) == self._stamp:
                continue
            try:
                check_membership(self._identity, self._hive_id)
            except BadSettings as error:
                self._stamp = joined_stamp(self._identity)
                _log.error("not followed", reason=error.message, remedy="Restart the hive.")
                continue
            self._look_up()
            _log.info("joined", url=self.queen_url)
            return

    async def _seek(self, sender: Sender) -> None:
        """Look for a queen if there is none: never beside one, and never instead of one."""
        if not (self._given.discover and is_alone(self._given, self._identity)):
            return
        if self._seeking.has_colony:
            return
        await anyio.sleep(PATIENCE_S)
        if sender.queen_silent_s(0.0) is not None:
            self._seeking.note_queen()
            return
        await self._seeking.run(lambda: sender.queen_silent_s(0.0) is None)
