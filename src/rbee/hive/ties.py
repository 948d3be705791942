"""The hive's ties to its queen: the link, the beats, the certificate; and a change of queen.

Who she is can change while the hive runs: ``rbee hive join`` writes down another one, and
within a second everything here is begun anew towards her. Workers and downloads of the hive do
not notice. A hive without a queen looks for one (``joining.seeking``).
"""

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import msgspec

from rbee.contracts.ids import HiveId
from rbee.errors import BadSettings, StartError
from rbee.foundation import logs
from rbee.foundation.addresses import is_loopback
from rbee.foundation.hive_id import hive_dir
from rbee.foundation.http.tls import QUEEN, Peer, identity_context
from rbee.foundation.identity.joined import joined_stamp, read_joined
from rbee.hive.address import advertised, colony_address, is_here, outside_of
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
        self._colony = colony_address(url)
        self.open_at = self._opens_at()
        self.address = self._given.advertise or self.open_at or advertised(self.settings)
        self.tls: ssl.SSLContext | None = (
            identity_context(self._identity, expects=QUEEN) if url.startswith("https:") else None
        )

    def _opens_at(self) -> str | None:
        """The address at which the colony reaches this hive's API, if its own bind is loopback.

        Hives fetch models from each other there, with tickets, over TLS.
        """
        ours = self.settings
        closed = ours.outbound_only or not is_loopback(ours.bind) or is_here(ours.queen_url)
        if closed or is_loopback(self._colony) or read_joined(self._identity) is None:
            return None
        return self._colony

    async def _open(self, listen: Callable[[str], Awaitable[None]]) -> None:
        if self.open_at is None:
            return
        try:
            await listen(self.open_at)
        except StartError as error:  # other hives reach it through the queen
            _log.warning("not open to other hives", reason=error.message, remedy=error.remedy)
            self.open_at = None
            self.address = advertised(self.settings)

    def url_at(self, port: int) -> str:
        """Where the colony reaches this hive's API; empty where it listens nowhere."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{'https' if self.speaks_tls else 'http'}://{host}:{port}" if port else ""

    @property
    def speaks_tls(self) -> bool:
        """Whether the address that the colony is told takes TLS, with its certificates."""
        return self.is_member and not is_loopback(self.address)

    @property
    def own_names(self) -> list[str]:
        """The address that was opened beside the bind, as others write it in a URL."""
        return [] if self.open_at is None else [self.open_at]

    @property
    def is_member(self) -> bool:
        """Whether this machine has a certificate of a colony."""
        return read_joined(self._identity) is not None

    @property
    def queen_url(self) -> str:
        """Her address."""
        return self.settings.queen_url

    def framing(self, _scheme: str, host: str) -> list[str]:
        """Who may frame the hive's own page: the queen's, by her URL or by this host's name."""
        queen = urlsplit(self.queen_url)
        names = (
            [queen.netloc, f"{host}:{queen.port}"] if is_here(self.queen_url) else [queen.netloc]
        )
        return [f"{kind}://{name}" for name in names if name for kind in ("http", "https")]

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
        self,
        facts: Callable[[], Facts],
        roster: Roster,
        epochs: Epochs,
        http: MakeHttp,
        listen: Callable[[str], Awaitable[None]],
    ) -> None:
        """Speak with the queen, whoever she is at the time, until cancelled.

        ``listen`` opens this hive's port on one more address.
        """
        while True:
            await self._open(listen)
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
