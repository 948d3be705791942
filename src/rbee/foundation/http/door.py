"""The first byte of a connection: TLS for all, plain HTTP for this machine and trusted networks.

A server that others can reach has one port for both. ``Door`` takes each new connection,
looks at its first byte (22 opens a TLS handshake, a letter a plain request), and hands the
transport to the HTTP protocol at once or after the handshake; from then on it is out of the
way, so a request costs the same as on a port without it. Plain requests from anywhere else
get an error that says what to do, unread: no redirect, which would teach a client to send
its key in the clear first. Put in front of ``http.hot`` by ``http.server``.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Final, Protocol, cast

import msgspec

from rbee.errors import BadSettings, TlsRequired
from rbee.foundation import logs
from rbee.foundation.addresses import Network, peer_address
from rbee.foundation.http.certificates import Tls
from rbee.foundation.http.problems import as_problem
from rbee.foundation.http.reads import read_less
from rbee.foundation.http.tls import Peer, peer_of

FIRST_BYTES_S: Final = 10.0  # a request's head, or a handshake, is a packet or two
REFUSED_S: Final = 2.0  # so long a refused client may take to read why
_REFUSED_BYTES_MAX: Final = 64 * 1024  # what it sends meanwhile; closing unread data resets it

_HANDSHAKE: Final = 22  # RFC 8446, 5.1: the content type of a ClientHello's record
_RECORD_HEAD_BYTES: Final = 5  # its type, a version, its length
_HELLO_BYTES_MAX: Final = 16 * 1024 + 256  # one record, as long as RFC 8446 lets it be

_log = logs.get(__name__)


class Inner(Protocol):
    """The HTTP protocol behind the door."""

    peer: Peer | None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """The connection is its own from now on."""
        ...

    def data_received(self, data: bytes) -> None:
        """What had come before."""
        ...


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a door needs to know: certificates, and who may speak plain HTTP."""

    tls: Tls
    trusted: tuple[Network, ...] = ()


def trusted_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The setting ``trusted_networks``: ``10.0.0.0/8``, ``fd7a:115c:a1e0::/48``, one address.

    Raises:
        BadSettings: one of them is no network.
    """
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip()))
        except ValueError as error:
            raise BadSettings(
                f"`trusted_networks`: {error}.",
                remedy='Write networks like "10.0.0.0/8" or single addresses.',
            ) from None
    return tuple(found)


def may_speak_plain(peer: str, own: str, trusted: tuple[Network, ...]) -> bool:
    """Whether the address ``peer`` may go without TLS on a connection to ``own``.

    This machine may: over loopback, or with the very address that it connected to,
    which no other machine can keep a TCP connection with. ``trusted`` is the operator's word.
    """
    address = peer_address(peer)
    if address is None:
        return False
    return address.is_loopback or peer == own or any(address in network for network in trusted)


class Door(asyncio.Protocol):
    """One connection until it is known what it is. See the module."""

    def __init__(self, rules: Rules, make: Callable[[], Inner], connections: set[Any]) -> None:
        self._rules = rules
        self._make = make
        self._connections = connections  # the server's own: it sweeps and shuts what stands in it
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()  # a ClientHello at first; later what came right behind a handshake
        self._since = monotonic()
        self._securing: asyncio.Task[None] | None = None
        self._refused = False

    # ── asyncio.Protocol ──────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        read_less(transport)

    def data_received(self, data: bytes) -> None:
        """The first bytes decide."""
        transport = self._transport
        if transport is None:
            return
        self._data += data
        if self._refused:
            if len(self._data) > _REFUSED_BYTES_MAX:
                transport.abort()
        elif self._securing is not None:
            return  # decrypted already, and kept for the protocol to come
        elif self._data[0] == _HANDSHAKE:
            self._take_hello(transport)
        elif may_speak_plain(*_ends(transport), self._rules.trusted):
            self._hand_over(transport, None)
        else:
            self._refuse(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's own
        """It left before anything was known of it."""
        self._connections.discard(self)
        self._transport = None

    # ── the server's own calls ────────────────────────────────────────────────

    def sweep(self, now: float) -> None:
        """Close what says nothing. Called each second."""
        limit_s = REFUSED_S if self._refused else FIRST_BYTES_S
        if self._transport is not None and now - self._since > limit_s:
            self._transport.abort()

    def shutdown(self) -> None:
        """The server stops: nothing was begun here."""
        if self._transport is not None:
            self._transport.abort()

    # ── inside ────────────────────────────────────────────────────────────────

    def _take_hello(self, transport: asyncio.Transport) -> None:
        """Wait for the whole record, then shake hands. It names what the client offers."""
        size = _RECORD_HEAD_BYTES + int.from_bytes(self._data[3:_RECORD_HEAD_BYTES])
        if len(self._data) < _RECORD_HEAD_BYTES or len(self._data) < min(size, _HELLO_BYTES_MAX):
            return
        hello, self._data = bytes(self._data), bytearray()
        self._securing = asyncio.get_running_loop().create_task(self._secure(transport, hello))

    async def _secure(self, transport: asyncio.Transport, hello: bytes) -> None:
        context = self._rules.tls.context_for(hello)
        if context is None:
            transport.close()
            return
        loop = asyncio.get_running_loop()
        # start_tls puts its protocol in place now, and starts it with the loop's next turn;
        # the turn after that, it is given the ClientHello that was already read.
        loop.call_soon(loop.call_soon, _feed, transport, hello)
        try:
            secured = await loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=FIRST_BYTES_S
            )
        except OSError as error:  # ssl.SSLError is one: no certificate of ours, an old version...
            _log.debug("handshake failed", peer=_ends(transport)[0], why=str(error))
            secured = None
        if secured is None or self._transport is None:  # a client that left is not told of here
            self.connection_lost(None)
        else:
            self._hand_over(secured, peer_of(secured.get_extra_info("peercert")))

    def _hand_over(self, transport: asyncio.Transport, peer: Peer | None) -> None:
        self._connections.discard(self)
        self._transport = None
        inner = self._make()
        inner.peer = peer
        transport.set_protocol(cast("asyncio.BaseProtocol", inner))
        inner.connection_made(transport)
        if self._data:
            inner.data_received(bytes(self._data))

    def _refuse(self, transport: asyncio.Transport) -> None:
        self._refused = True
        self._since = monotonic()
        transport.write(_REFUSAL)
        if transport.can_write_eof():
            transport.write_eof()  # and read on for a moment, so that the answer gets there


def _feed(transport: asyncio.Transport, data: bytes) -> None:
    """Give a transport's protocol bytes as if they had come just now."""
    protocol = transport.get_protocol()
    if transport.is_closing() or not isinstance(protocol, asyncio.BufferedProtocol):
        return
    while data:
        room: Any = protocol.get_buffer(len(data))
        taken = min(len(room), len(data))
        room[:taken] = data[:taken]
        protocol.buffer_updated(taken)
        data = data[taken:]


def _ends(transport: asyncio.BaseTransport) -> tuple[str, str]:
    """The addresses of both ends: the client's, ours."""
    peer: Any = transport.get_extra_info("peername") or ("",)
    own: Any = transport.get_extra_info("sockname") or ("",)
    return str(peer[0]), str(own[0])


def _refusal() -> bytes:
    body = as_problem(TlsRequired("This server takes plain HTTP from its own machine only."))
    head = (
        f"HTTP/1.1 {TlsRequired.status} Forbidden\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


_REFUSAL: Final = _refusal()
