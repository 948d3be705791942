"""The port that a worker opens to the queen: TLS 1.3, colony certificates on both sides.

Who may come in: a client with the certificate of the colony's queen, and nobody else; not
a hive either. What comes in goes to the engine's loopback port (``splice``), which asks for
the worker's secret as always. Plain connections are taken from networks that the operator
declared trusted, and from nowhere else. It runs in a thread with a loop of its own, so no
engine has to know of it; renewed certificates count for connections from then on.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rbee.foundation.addresses import Network, peer_address
from rbee.foundation.proofs import PROBE_ALPN, QUEEN_URI, TRAFFIC_ALPN
from rbee.foundation.tcp import retry_soon
from rbee.worker.tls.splice import Address, Guest

KEY_FILE: Final = "key.pem"
CERT_FILE: Final = "cert.pem"
CA_FILE: Final = "ca.pem"

CONNECTIONS_MAX: Final = 1024  # four times what the queen keeps idle; a flood costs no more memory
HANDSHAKE_S: Final = 10.0  # two round trips, each lost twice at 300 ms
SILENT_S: Final = 120.0  # the queen keeps a connection ready for a minute at most
UNHEARD_S: Final = 60  # a queen that is stopped or cut off for less gets the rest of her answers
SWEEP_EVERY_S: Final = 10.0  # silence is judged this coarsely
RENEWED_LOOK_S: Final = 60.0  # certificates are renewed days before their end

_TLS_HANDSHAKE: Final = b"\x16"  # the first byte of every TLS connection (RFC 8446, 5.1)
_REASON: Final = b"This port takes the queen's TLS connections and no others.\n"
_PLAIN_REFUSAL: Final = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    % (len(_REASON), _REASON)
)


class Door:
    """Takes connections on ``listener`` for the engine at ``engine``. ``start`` it once."""

    def __init__(
        self,
        listener: socket.socket,
        engine: Address,
        *,
        identity: Path,
        secret: str,
        trusted: Sequence[Network] = (),
    ) -> None:
        """``identity`` holds ``key.pem``, ``cert.pem`` and ``ca.pem``.

        Raises:
            OSError: they cannot be read, or do not belong together (``ssl.SSLError`` is one).
        """
        self._listener = listener
        self._engine = engine
        self._identity = identity
        self._secret = secret
        self._trusted = tuple(trusted)
        self._seen = _marks(identity)
        self._context = make_context(identity)
        self._guests: dict[Guest, float] = {}
        self._coming: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Serve in a thread of its own until the process ends."""
        threading.Thread(target=self.run, name="tls", daemon=True).start()

    def run(self) -> None:
        """Serve in this thread until the process ends."""
        # Selectors on Windows too: the first byte is looked at before it is read.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self.serve())

    async def serve(self) -> None:
        """Take connections until cancelled."""
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)  # noqa: FBT003  the stdlib names it by position
        sweeping = loop.create_task(self._sweep())
        try:
            while True:
                try:
                    client, address = await loop.sock_accept(self._listener)
                except OSError:  # no descriptor left: those in use go on, and some will end
                    await asyncio.sleep(1.0)
                    continue
                if len(self._guests) + len(self._coming) >= CONNECTIONS_MAX:
                    client.close()
                    continue
                task = loop.create_task(self._take(client, str(address[0])))
                self._coming.add(task)
                task.add_done_callback(self._coming.discard)
        finally:
            sweeping.cancel()
            for task in self._coming:
                task.cancel()
            for guest in list(self._guests):
                guest.finish(whole=False)

    async def _take(self, client: socket.socket, peer: str) -> None:
        """Find out what a connection is; TLS goes on as that, a trusted plain one as it is."""
        tls = await self._kind(client, peer)
        if tls is None:
            client.close()
            return
        loop = asyncio.get_running_loop()
        try:
            transport, guest = await loop.connect_accepted_socket(
                lambda: Guest(self._engine, self._secret, self._left, tls=tls),
                client,
                ssl=self._context if tls else None,
                ssl_handshake_timeout=HANDSHAKE_S if tls else None,
            )
        except OSError:  # what TLS refuses is one; the socket was the transport's and is closed
            return
        if tls and not _is_queen(transport):
            transport.abort()
            return
        self._guests[guest] = loop.time()

    async def _kind(self, client: socket.socket, peer: str) -> bool | None:
        """Whether it is TLS; None: it may not come in, or said nothing."""
        try:
            client.setblocking(False)  # noqa: FBT003  as above
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            retry_soon(client, give_up_s=UNHEARD_S)
            async with asyncio.timeout(HANDSHAKE_S):
                first = await _first_byte(client)
        except OSError:  # a time-out is one
            return None
        except asyncio.CancelledError:
            client.close()
            raise
        if first == _TLS_HANDSHAKE:
            return True
        if first and self._trusts(peer):
            return False
        if first:
            _refuse(client)
        return None

    def _left(self, guest: Guest) -> None:
        self._guests.pop(guest, None)

    def _trusts(self, peer: str) -> bool:
        address = peer_address(peer)
        return address is not None and any(address in network for network in self._trusted)

    async def _sweep(self) -> None:
        """Close what says nothing; take up renewed certificates."""
        loop = asyncio.get_running_loop()
        looked_at = loop.time()
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            now = loop.time()
            for guest, since in list(self._guests.items()):
                if guest.silent and now - since > SILENT_S:
                    guest.finish(whole=False)
            if now - looked_at > RENEWED_LOOK_S:
                looked_at = now
                self.renew()

    def renew(self) -> None:
        """Read the identity's files if they changed; what cannot be read changes nothing."""
        marks = _marks(self._identity)
        if marks != self._seen:
            with contextlib.suppress(OSError):
                self._context = make_context(self._identity)
                self._seen = marks


def make_context(identity: Path) -> ssl.SSLContext:
    """TLS for a server that only the colony's own may talk to.

    Raises:
        OSError: a file cannot be read, or key and certificate do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # both ends are ours
    context.num_tickets = 0  # connections are kept; a resumed session would be checked less
    context.load_cert_chain(identity / CERT_FILE, identity / KEY_FILE)
    context.load_verify_locations(identity / CA_FILE)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([PROBE_ALPN, TRAFFIC_ALPN])
    return context


def networks(texts: Sequence[str]) -> list[Network]:
    """Networks in CIDR form (``10.0.0.0/8``, ``fd00::/8``).

    Raises:
        ValueError: one of them is none.
    """
    return [ipaddress.ip_network(text) for text in texts]


def _is_queen(transport: asyncio.BaseTransport) -> bool:
    """Whether the certificate at the other end, which the CA has signed, is the queen's."""
    said: dict[str, Any] = transport.get_extra_info("peercert") or {}
    return ("URI", QUEEN_URI) in said.get("subjectAltName", ())


async def _first_byte(client: socket.socket) -> bytes:
    """Wait for the first byte and leave it where it is; empty when the client left."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(client, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(client)
    return client.recv(1, socket.MSG_PEEK)


def _refuse(client: socket.socket) -> None:
    """Say why, as far as one write goes; what came is read, or closing would reset it unseen."""
    with contextlib.suppress(OSError):
        client.recv(65_536)
        client.send(_PLAIN_REFUSAL)


def _marks(identity: Path) -> list[float]:
    """Which versions of the files are there."""
    marks: list[float] = []
    for name in (KEY_FILE, CERT_FILE, CA_FILE):
        try:
            marks.append((identity / name).stat().st_mtime_ns)
        except OSError:
            marks.append(0.0)
    return marks
