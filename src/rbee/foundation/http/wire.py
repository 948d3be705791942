"""What the hot way in hands over: a plain request, and its answer on the client's transport.

``Hot`` says which paths are hot and who answers them; ``WireExchange`` is one request
(``exchange.Exchange``) whose answer is written without ASGI. Made by ``hot``.
"""

import asyncio
import http
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from rbee.foundation.http.exchange import Headers, Source
from rbee.foundation.http.upgrade import Upgrade

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    for status in http.HTTPStatus
}


Handle = Callable[["WireExchange"], Awaitable[None]]
Quick = Callable[["WireExchange"], bool]


class Hot:
    """Which paths are hot, and who answers them.

    ``handle`` runs as a task. ``quick`` is asked before, without one: it either says
    no, having done nothing, or answers later and then calls ``WireExchange.done``.
    ``upgrades`` are the paths on which a connection becomes something else than HTTP.
    """

    __slots__ = ("handle", "heads", "paths", "quick", "upgrades")

    def __init__(self, paths: frozenset[bytes], handle: Handle, quick: Quick | None = None) -> None:
        self.paths = paths
        self.handle = handle
        self.quick = quick
        self.heads: dict[bytes, PlainHead] = {}
        self.upgrades: dict[bytes, Callable[[Upgrade], None]] = {}


class PlainHead:
    """A head that was read and found plain, its Content-Length aside.

    ``meaning`` is for whoever answers: what only depends on the head need be found
    only once. Clients repeat their heads, word for word.
    """

    __slots__ = ("headers", "keep_alive", "meaning", "path")

    def __init__(self, path: str, headers: dict[bytes, bytes], *, keep_alive: bool) -> None:
        self.path = path
        self.headers = headers
        self.keep_alive = keep_alive
        self.meaning: object = None


class Connection(Protocol):
    """The client's connection, as far as an exchange needs it."""

    transport: asyncio.Transport
    server_state: Any

    @property
    def is_open(self) -> bool:
        """Whether the client is still connected."""
        ...

    def after(self, exchange: "WireExchange") -> None:
        """The answer is over."""
        ...

    def run(self, exchange: "WireExchange", handle: Handle) -> None:
        """Answer in a task."""
        ...


_always_line: list[tuple[object, bytes]] = [(None, b"")]


def _always(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The lines that every answer has; uvicorn makes a new list of them each second."""
    made_of, lines = _always_line[0]
    if made_of is not headers:
        lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
        _always_line[0] = (headers, lines)
    return lines


class WireExchange:
    """A request and its answer on the client's own transport. See ``exchange.Exchange``."""

    __slots__ = (
        "_body",
        "_close_after",
        "_gone",
        "_head_out",
        "_paused",
        "_protocol",
        "_source",
        "_transport",
        "_writable",
        "chunked",
        "finished",
        "head",
        "headers",
        "method",
        "on_left",
        "path",
        "started",
    )

    def __init__(self, protocol: Connection, head: PlainHead) -> None:
        self.method = "POST"
        self.path = head.path
        self.headers = head.headers
        self.head = head
        self.started = False
        self.finished = False
        self.on_left: Callable[[], None] | None = None
        self._protocol = protocol
        self._transport = protocol.transport
        self._close_after = not head.keep_alive
        self._body: list[bytes] = []
        self._head_out = b""
        self.chunked = False
        self._paused = False
        self._source: Source | None = None
        self._writable: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] | None = None

    @property
    def wire(self) -> "WireExchange":
        """The answer may be poured: this is the client's own transport."""
        return self

    # ── the request ───────────────────────────────────────────────────────────

    @property
    def whole_body(self) -> bytes:
        """The request's whole body: it was here before the exchange began."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    async def body(self) -> bytes:
        """The request's whole body."""
        return self.whole_body

    def take(self, data: bytes) -> None:
        """A piece of the body, as the protocol received it."""
        self._body.append(data)

    async def left(self) -> None:
        """Return when the client has left."""
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
        if not self._protocol.is_open:
            return
        await self._gone

    # ── the answer ────────────────────────────────────────────────────────────

    def start(
        self, status: int, headers: Headers, *, length: int | None, more: bytes = b""
    ) -> None:
        """The answer's head; it leaves together with the first piece.

        ``more`` are further headers, each with its line end.
        """
        lines = [_STATUS_LINES[status], _always(self._protocol.server_state.default_headers)]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        lines.append(more)
        if length is None:
            lines.append(b"transfer-encoding: chunked\r\n")
        else:
            lines.append(b"content-length: %d\r\n" % length)
        lines.append(b"connection: close\r\n\r\n" if self._close_after else b"\r\n")
        self._head_out = b"".join(lines)
        self.chunked = length is None
        self.started = True

    def write(self, data: bytes) -> None:
        """Bytes for the client as they shall be on the wire."""
        if self._head_out:
            data, self._head_out = self._head_out + data, b""
        if data:
            self._transport.write(data)

    def writer(self) -> Callable[[bytes], object]:
        """``write`` without anything around it: the head is out."""
        return self._transport.write

    def answer(self, status: int, headers: Headers, lines: bytes, body: bytes) -> None:
        """The whole answer in one write. ``lines`` are more headers, each with its line end."""
        parts = [_STATUS_LINES[status], _always(self._protocol.server_state.default_headers)]
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        parts.append(lines)
        closing = b"connection: close\r\n" if self._close_after else b""
        parts.append(b"content-length: %d\r\n%b\r\n" % (len(body), closing))
        parts.append(body)
        self.started = self.finished = True
        self._transport.write(b"".join(parts))

    async def send(self, data: bytes) -> None:
        """A piece of the answer's body; waits while the client is behind."""
        self.write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked and data else data)
        if self._paused:
            self._writable = asyncio.get_running_loop().create_future()
            await self._writable

    async def finish(self, data: bytes = b"") -> None:
        """The last piece and the end."""
        if self.chunked:
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
        self.write(data)
        self.end()

    def end(self) -> None:
        """The answer's last byte has been written: the connection takes the next request."""
        self.write(b"")
        self.finished = True
        self._source = None

    def draw_from(self, source: Source | None) -> None:
        """Pause and resume this source as the client falls behind and catches up."""
        self._source = source
        if source is not None and self._paused:
            source.pause()

    def done(self) -> None:
        """A quick answer is over: the connection goes on, or ends."""
        self._protocol.after(self)

    def run(self, handle: Handle) -> None:
        """Answer in a task after all."""
        self._protocol.run(self, handle)

    # ── from the protocol ─────────────────────────────────────────────────────

    @property
    def close_after(self) -> bool:
        """Whether the connection ends with this answer."""
        return self._close_after or not self.finished

    def close_when_done(self) -> None:
        """The server is stopping."""
        self._close_after = True

    def pause(self) -> None:
        """The client is behind."""
        self._paused = True
        if self._source is not None:
            self._source.pause()

    def resume(self) -> None:
        """The client has caught up."""
        self._paused = False
        if self._source is not None:
            self._source.resume()
        self._wake(self._writable)

    def client_left(self) -> None:
        """The connection is gone."""
        self._source = None
        if self.on_left is not None:
            self.on_left()
        self._wake(self._writable)
        self._wake(self._gone)

    @staticmethod
    def _wake(waiter: "asyncio.Future[None] | None") -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
