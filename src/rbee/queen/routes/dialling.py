"""Connections to workers on other machines: TLS by the colony's certificates, and probes.

The certificate at the other end has to name the worker's hive, whatever address it was
found at, and this end shows the queen's. A probe opens a connection of its own kind, sends a
nonce and compares the answer.
"""

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from rbee.foundation import logs
from rbee.foundation.identity.peers import hive_name
from rbee.foundation.proofs import (
    PROBE_ALPN,
    PROOF_BYTES,
    TRAFFIC_ALPN,
    make_nonce,
    proves,
    question,
)
from rbee.foundation.tcp import retry_soon

P = TypeVar("P", bound=asyncio.Protocol)

PROBE_S: Final = 5.0  # connecting, a handshake and a line: five round trips, one lost, at 300 ms
DIRECT_S: Final = 1.5  # there is a tunnel: a way that takes longer is no better one
UNSENT_S: Final = 5  # a request of which nothing arrives for so long goes another way
KEEP_ALIVE_AFTER_S: Final = 25  # with UNSENT_S: a machine that is gone is noticed after 30 s,
KEEP_ALIVE_EVERY_S: Final = 5  # and a quiet stream outlives a network that is away for less
KEEP_ALIVE_LOST_MAX: Final = 2  # one may be lost on the way

_FILES: Final = ("cert.pem", "key.pem", "ca.pem")

_log = logs.get(__name__)


class Credentials:
    """The queen's own certificate and the colony's CA, as TLS contexts; ``refresh`` rereads them."""

    def __init__(self, folder: Path | None) -> None:
        """``folder`` holds ``cert.pem``, ``key.pem`` and ``ca.pem``, now or later; None: never."""
        self._folder = folder
        self._seen: list[int] = []
        self.traffic: ssl.SSLContext | None = None
        self.probe: ssl.SSLContext | None = None
        self.refresh()

    def refresh(self) -> None:
        """Take files that changed; what cannot be read leaves the old ones in force."""
        if self._folder is None:
            return
        try:
            seen = [(self._folder / name).stat().st_mtime_ns for name in _FILES]
            if seen == self._seen:
                return
            traffic, probe = (
                _context(self._folder, TRAFFIC_ALPN),
                _context(self._folder, PROBE_ALPN),
            )
        except FileNotFoundError:
            return  # no colony yet
        except OSError as error:
            _log.warning("the queen's certificate cannot be read", reason=error.strerror)
            return
        self.traffic, self.probe, self._seen = traffic, probe, seen


def _context(folder: Path, alpn: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(folder / "ca.pem")
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.set_alpn_protocols([alpn])
    return context


async def open_direct(
    address: str, port: int, hive_id: str, context: ssl.SSLContext | None, make: Callable[[], P]
) -> P:
    """A connection to a worker's own port; no context: without TLS.

    Raises:
        OSError: refused, no answer in ``DIRECT_S``, or somebody else's certificate.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DIRECT_S):
        transport, protocol = await loop.create_connection(
            make,
            address,
            port,
            ssl=context,
            server_hostname=None if context is None else hive_name(hive_id),
        )
    _notice_silence(transport)
    return protocol


async def prove(
    address: str, port: int, hive_id: str, secret: str, context: ssl.SSLContext | None
) -> str | None:
    """Ask who answers there: None when it is the worker with this secret, else why not."""
    nonce = make_nonce()
    try:
        async with asyncio.timeout(PROBE_S):
            reader, writer = await asyncio.open_connection(
                address,
                port,
                ssl=context,
                server_hostname=None if context is None else hive_name(hive_id),
            )
            try:
                writer.write(question(nonce))
                answer = await reader.readexactly(PROOF_BYTES)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return f"no answer within {PROBE_S:.0f} s"
    except asyncio.IncompleteReadError:
        return "whoever answers there does not know what a worker of ours knows"
    except ssl.SSLCertVerificationError as error:
        return f"its certificate: {error.verify_message}"
    except OSError as error:
        return error.strerror or str(error)
    return None if proves(secret, nonce, answer) else "another worker answers there"


def _notice_silence(transport: asyncio.BaseTransport) -> None:
    """Let the kernel find out that the other machine is gone, in seconds and not in hours."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None:
        return
    retry_soon(sock, give_up_s=UNSENT_S)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        tcp = socket.IPPROTO_TCP
        sock.setsockopt(tcp, socket.TCP_KEEPIDLE, KEEP_ALIVE_AFTER_S)
        sock.setsockopt(tcp, socket.TCP_KEEPINTVL, KEEP_ALIVE_EVERY_S)
        sock.setsockopt(tcp, socket.TCP_KEEPCNT, KEEP_ALIVE_LOST_MAX)
