"""One WebSocket of a link, after its handshake: messages in, messages out, its end.

The same for both ends; a client masks what it sends. The socket's own buffer is kept
short, so that a beat never stands behind more than a fraction of a second of stream
bytes: a link may be one slow line (``BUFFER_BYTES``).
"""

import asyncio
import contextlib
import socket
from typing import Any, Final, Protocol

from rbee.foundation.http.reads import read_less
from rbee.foundation.mux import websocket
from rbee.foundation.mux.frames import (
    DATA_BYTES_MAX,
    HEAD_BYTES,
    MESSAGE_BYTES_MAX,
    Lane,
    Violation,
)
from rbee.foundation.mux.websocket import BINARY, BadMessage, Reader
from rbee.foundation.tcp import retry_soon

BUFFER_BYTES: Final = 32 * 1024
"""In the process and, where the system can be told so, unsent in the kernel: together half a
second of a 1 Mbit/s line."""
GIVE_UP_S: Final = 30  # as long as a session waits for its next connection
CLOSE_S: Final = 1.0  # what is still in the buffers after a close frame may leave for so long
BULK_READ_BYTES: Final = 64 * 1024  # fewer turns of the loop for model bytes; below glibc's mmap


class Session(Protocol):
    """Who is above a connection."""

    def receive(self, message: bytes) -> None:
        """A message came.

        Raises:
            Violation: it breaks the rules; the connection is closed.
        """
        ...

    def lost(self, connection: "Connection", reason: str) -> None:
        """The connection is gone."""
        ...

    def pause(self) -> None:
        """The connection takes nothing more for now."""
        ...

    def resume(self) -> None:
        """It takes more."""
        ...


class Connection(asyncio.Protocol):
    """A WebSocket. Give it to the transport when the handshake is done, then ``begin``."""

    def __init__(self, session: Session, *, server: bool, lane: Lane = "main") -> None:
        self._session = session
        self._masks = None if server else websocket.Masks()
        self._lane: Lane = lane
        self._transport: asyncio.Transport | None = None
        self.connections: set[Any] | None = None  # the server's own: it shuts what stands in it
        self.close_code = 0  # what the peer closed with; 0: it did not say
        self._reason = ""
        self._open = False
        size_max = MESSAGE_BYTES_MAX if lane == "main" else HEAD_BYTES + DATA_BYTES_MAX
        self._reader = Reader(session.receive, self._control, masked=server, size_max=size_max)

    @property
    def is_open(self) -> bool:
        """Whether messages still come and go."""
        return self._open

    def begin(self, transport: asyncio.Transport) -> None:
        """Take over a transport whose handshake is done."""
        self._transport = transport
        self._open = True
        if self.connections is not None:
            self.connections.add(self)
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=BUFFER_BYTES, low=BUFFER_BYTES // 4)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            retry_soon(raw, give_up_s=GIVE_UP_S)
        if self._lane == "main":
            read_less(transport)
            if raw is not None:
                _keep_kernel_short(raw)
        elif hasattr(transport, "max_size"):
            transport.max_size = BULK_READ_BYTES  # pyright: ignore[reportAttributeAccessIssue]  public, untyped

    def hand_over(self, session: Session) -> None:
        """From the next message on, another session is above."""
        self._session = session
        self._reader.take = session.receive

    def send(self, message: bytes) -> None:
        """Send a message, or drop it when the connection is closed."""
        if self._open and self._transport is not None:
            mask = None if self._masks is None else self._masks.next()
            self._transport.write(websocket.frame(BINARY, message, mask))

    def close(self, code: int, reason: str) -> None:
        """Say why, and close. ``Session.lost`` follows."""
        if self._open and self._transport is not None:
            self._open = False
            self._reason = self._reason or reason
            self._control_frame(websocket.CLOSE, websocket.close_payload(code, reason))
            self._transport.close()
            asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)

    def abort(self, reason: str) -> None:
        """Close now; nothing more is sent."""
        self._open = False
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    # ── asyncio.Protocol ──────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        """Cut and hand on; a peer that breaks the rules is closed."""
        if not self._open:
            return
        try:
            self._reader.feed(data)
        except BadMessage as error:
            self.close(error.code, error.reason)
        except Violation as error:
            self.close(websocket.POLICY, str(error))

    def eof_received(self) -> None:
        """The peer has closed; the transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._open = False
        self._transport = None
        if self.connections is not None:
            self.connections.discard(self)
        self._session.lost(self, self._reason or str(exc or "the other end closed the connection"))

    def pause_writing(self) -> None:
        """The socket is full."""
        self._session.pause()

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._session.resume()

    def shutdown(self) -> None:
        """The server stops (uvicorn's word for it)."""
        self.close(websocket.GOING_AWAY, "the server stops")

    # ── inside ────────────────────────────────────────────────────────────────

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == websocket.PING:
            self._control_frame(websocket.PONG, payload)
        elif opcode == websocket.CLOSE:
            self.close_code, reason = websocket.read_close(payload)
            self._reason = reason or f"closed with code {self.close_code}"
            self.close(websocket.NORMAL, "")

    def _control_frame(self, opcode: int, payload: bytes) -> None:
        if self._transport is not None:
            mask = None if self._masks is None else self._masks.next()
            self._transport.write(websocket.frame(opcode, payload, mask))


def _keep_kernel_short(raw: socket.socket) -> None:
    """Keep what the kernel has not sent yet small (Linux and macOS know how)."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        with contextlib.suppress(OSError):  # a socket that is no TCP one
            raw.setsockopt(socket.IPPROTO_TCP, option, BUFFER_BYTES)
