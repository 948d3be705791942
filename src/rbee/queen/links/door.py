"""``GET /v1/hive/link``: a hive's WebSocket comes in, and becomes its link.

The gate decides as for every request (Host, Origin, key or certificate); a hive with a
certificate may speak for the id in it and no other, and nobody without one for a member. Then the first message has to come
within ``HELLO_S``. Whatever is wrong is said in an HTTP answer before the handshake, in
a close frame after it.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from rbee.errors import InvalidRequest, RbeeError
from rbee.foundation import logs
from rbee.foundation.addresses import is_loopback
from rbee.foundation.http.gate import Policy, admit
from rbee.foundation.http.upgrade import Upgrade
from rbee.foundation.link.connection import Connection
from rbee.foundation.mux import frames, websocket
from rbee.foundation.mux.frames import LANES, Lane, Violation
from rbee.queen.links.registry import Links

PATH: Final = b"/v1/hive/link"
HELLO_S: Final = 5.0  # it follows the handshake at once; even over 300 ms that is a second
ARRIVING_MAX: Final = 4096  # a restarted queen's ten thousand hives come within some seconds

CheckSpeaker = Callable[[str | None, str], None]
"""Refuses words in another hive's name: whom the certificate names, and the id that is claimed."""

_log = logs.get(__name__)


class LinkDoor:
    """Takes upgrades; see the module."""

    def __init__(self, links: Links, policy: Policy, check_speaker: CheckSpeaker) -> None:
        self._links = links
        self._policy = policy
        self._check_speaker = check_speaker
        self._arriving: set[_Arrival] = set()

    def __call__(self, upgrade: Upgrade) -> None:
        """A request to upgrade came on ``PATH``."""
        try:
            headers = dict(upgrade.headers)
            who = admit(self._policy, PATH.decode(), headers, "GET", peer=upgrade.peer)
            lane = _lane(upgrade.query)
            if len(self._arriving) >= ARRIVING_MAX:
                raise InvalidRequest("Too many hives come at once.", remedy="Try again.")
        except RbeeError as error:
            upgrade.refuse(error)
            return
        if not upgrade.accept():
            return

        def check(hive_id: str) -> None:
            self._check_speaker(who.hive_id, hive_id)

        arrival = _Arrival(self._links, upgrade, lane, check, self._arriving)
        self._arriving.add(arrival)


class _Arrival:
    """A connection until its first message. ``foundation.link.connection.Session``."""

    def __init__(
        self,
        links: Links,
        upgrade: Upgrade,
        lane: Lane,
        check: Callable[[str], None],
        arriving: "set[_Arrival]",
    ) -> None:
        self._links = links
        self._upgrade = upgrade
        self._lane: Lane = lane
        self._check = check
        self._arriving = arriving
        self._connection = Connection(self, server=True, lane=lane)
        self._connection.connections = upgrade.connections
        self._connection.begin(upgrade.transport)
        self._deadline = asyncio.get_running_loop().call_later(HELLO_S, self._too_late)

    def receive(self, message: bytes) -> None:
        """The first message.

        Raises:
            Violation: it is no HELLO of a hive that may speak here.
        """
        self._gone()
        hello = frames.read_hello(message)
        address, near = _where(self._upgrade.transport)
        try:
            self._check(hello.hive_id)
            link = self._links.greet(
                self._connection, hello, self._lane, address=address, near=near
            )
        except RbeeError as error:
            raise Violation(error.message) from None
        self._connection.hand_over(link)

    def lost(self, connection: Connection, reason: str) -> None:
        """It left before it said who it is."""
        del connection
        self._gone()
        _log.info("hive refused", address=_where(self._upgrade.transport)[0], reason=reason)

    def pause(self) -> None:
        """Nothing is sent yet."""

    def resume(self) -> None:
        """Nothing is sent yet."""

    def _too_late(self) -> None:
        self._connection.close(websocket.POLICY, f"no HELLO within {HELLO_S:.0f} s")

    def _gone(self) -> None:
        self._deadline.cancel()
        self._arriving.discard(self)


def _lane(query: bytes) -> Lane:
    asked = parse_qs(query.decode("latin-1")).get("lane", ["main"])[0]
    for lane in LANES:
        if lane == asked:
            return lane
    raise InvalidRequest(f"There is no lane {asked[:32]!r}.", param="lane")


def _where(transport: asyncio.BaseTransport) -> tuple[str, bool]:
    """The address of the other end, and whether it is this very machine."""
    peer, own = (transport.get_extra_info(name) for name in ("peername", "sockname"))
    address = str(peer[0]).partition("%")[0] if peer else ""
    return address, is_loopback(address) or (bool(own) and address == str(own[0]).partition("%")[0])
