"""The hot way in: plain requests for a few paths, answered before ASGI.

``HotProtocol`` is uvicorn's HTTP protocol with a door in front. A request that is
plain in every respect (POST to a hot path, HTTP/1.1, a Content-Length within the
limit, its head in one piece, no Origin, no Expect, nothing pipelined) becomes a
``WireExchange`` whose answer is written straight to the client's transport.
Everything else goes byte for byte to uvicorn, and comes out as ASGI.

It leans on uvicorn's internals (``parser``, ``cycle``, ``tasks``, ``server_state``,
``on_message_begin``): the version is pinned and ``tests/unit/foundation/test_hot.py``
says when they moved.
"""

import asyncio
import http
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rbee.foundation.http.body import BODY_BYTES_MAX
from rbee.foundation.http.exchange import Headers, Source

HEAD_BYTES_MAX: Final = 64 * 1024  # common servers allow 8 to 64 KiB; cookies are the largest part
PIPELINED_BYTES_MAX: Final = 64 * 1024  # beyond it the client is not read until its answer is out
HEAD_S: Final = 10.0  # a head is one packet: who takes longer holds connections open on purpose
BODY_S: Final = 120.0  # 32 MiB over 2.2 Mbit/s, a slow home uplink
UNREAD_S: Final = 60.0  # a client that takes nothing for so long will not take the rest either
SWEEP_EVERY_S: Final = 1.0

_HEAD_END: Final = b"\r\n\r\n"
_UNUSUAL: Final = (b"origin", b"expect", b"transfer-encoding", b"upgrade")
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    for status in http.HTTPStatus
}

Handle = Callable[["WireExchange"], Awaitable[None]]


class Hot:
    """Which paths are hot, and who answers them."""

    __slots__ = ("handle", "paths")

    def __init__(self, paths: frozenset[bytes], handle: Handle) -> None:
        self.paths = paths
        self.handle = handle


class _Head:
    """What httptools tells of a request's head."""

    __slots__ = ("doubled", "headers")

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.doubled = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self.doubled |= name in self.headers
        self.headers[name] = value


class WireExchange:
    """A request and its answer on the client's own transport. See ``exchange.Exchange``."""

    __slots__ = (
        "_body",
        "_close_after",
        "_gone",
        "_head",
        "_paused",
        "_protocol",
        "_source",
        "_transport",
        "_writable",
        "chunked",
        "finished",
        "headers",
        "method",
        "path",
        "started",
    )

    def __init__(
        self, protocol: "HotProtocol", path: str, headers: dict[bytes, bytes], *, keep_alive: bool
    ) -> None:
        self.method = "POST"
        self.path = path
        self.headers = headers
        self.started = False
        self.finished = False
        self._protocol = protocol
        self._transport = protocol.transport
        self._close_after = not keep_alive
        self._body: list[bytes] = []
        self._head = b""
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

    async def body(self) -> bytes:
        """The request's whole body: it was here before the exchange began."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

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

    def start(self, status: int, headers: Headers, *, length: int | None) -> None:
        """The answer's head; it leaves together with the first piece."""
        lines = [_STATUS_LINES[status]]
        for name, value in self._protocol.server_state.default_headers:
            lines += (name, b": ", value, b"\r\n")
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        if length is None:
            lines.append(b"transfer-encoding: chunked\r\n")
        else:
            lines.append(b"content-length: %d\r\n" % length)
        lines.append(b"connection: close\r\n\r\n" if self._close_after else b"\r\n")
        self._head = b"".join(lines)
        self.chunked = length is None
        self.started = True

    def write(self, data: bytes) -> None:
        """Bytes for the client as they shall be on the wire."""
        if self._head:
            data, self._head = self._head + data, b""
        if data:
            self._transport.write(data)

    def writer(self) -> Callable[[bytes], object]:
        """``write`` without anything around it: the head is out."""
        return self._transport.write

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
        self._wake(self._writable)
        self._wake(self._gone)

    @staticmethod
    def _wake(waiter: "asyncio.Future[None] | None") -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class HotProtocol(HttpToolsProtocol):
    """uvicorn's protocol behind the hot door. See the module."""

    def __init__(self, *args: Any, hot: Hot, **kwargs: Any) -> None:  # noqa: ANN401  uvicorn's own
        super().__init__(*args, **kwargs)
        self._hot = hot
        self._exchange: WireExchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._missing = 0  # bytes of the hot request's body that are still to come
        self._next: list[bytes] = []  # what came while an answer was on its way
        self._next_bytes = 0
        self._since = self.loop.time()
        self._head_bytes = 0
        self._in_head = False
        self._write_paused_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the client is still connected."""
        return self in self.connections

    # ── asyncio.Protocol ──────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        """The door: take a plain hot request, hand everything else to uvicorn."""
        exchange = self._exchange
        if exchange is None:
            if data.startswith(b"POST /") and self._is_between_requests() and self._begin(data):
                return
            self._to_parent(data)
        elif self._missing:
            self._take_body(exchange, data)
        else:
            self._next.append(data)
            self._next_bytes += len(data)
            if self._next_bytes > PIPELINED_BYTES_MAX:
                self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left: the exchange's task ends, and with it the worker's work."""
        super().connection_lost(exc)
        self._next.clear()
        if self._exchange is not None:
            self._exchange.client_left()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client is behind: slow its worker down."""
        self._write_paused_at = self.loop.time()
        if self._exchange is None:
            super().pause_writing()
        else:
            self._exchange.pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._write_paused_at = None
        super().resume_writing()
        if self._exchange is not None:
            self._exchange.resume()

    def shutdown(self) -> None:
        """The server stops: close now, or when the answer is out."""
        if self._exchange is not None:
            self._exchange.close_when_done()
        else:
            super().shutdown()

    # ── uvicorn's parser ──────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """A head begins; its size is limited, which uvicorn does not do."""
        self._in_head = True
        self._since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    # ── time ──────────────────────────────────────────────────────────────────

    def sweep(self, now: float) -> None:
        """Close what has been idle, incomplete or unread for too long. Called each second."""
        age_s = now - self._since
        if self._write_paused_at is not None:
            if now - self._write_paused_at > UNREAD_S:
                self.transport.abort()
        elif self._missing:
            if age_s > BODY_S:
                self.transport.abort()
        elif self._in_head:
            if age_s > HEAD_S:
                self.transport.abort()
        elif self._is_between_requests() and age_s > self.timeout_keep_alive:
            self.transport.close()

    # ── inside ────────────────────────────────────────────────────────────────

    def _is_between_requests(self) -> bool:
        return (
            self._exchange is None
            and not self._in_head
            and (self.cycle is None or self.cycle.response_complete)  # pyright: ignore[reportUnnecessaryComparison]  uvicorn starts with None
            and not self.pipeline
        )

    def _begin(self, data: bytes) -> bool:
        """Start an exchange if the request is plain; False leaves it to uvicorn."""
        if data[5 : data.find(b" ", 5, 128)] not in self._hot.paths:
            return False
        head_end = data.find(_HEAD_END, 0, HEAD_BYTES_MAX)
        if head_end < 0:
            return False
        head = _Head()
        parser = httptools.HttpRequestParser(head)
        try:
            parser.feed_data(data[: head_end + 4])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return False
        headers = head.headers
        length = int(headers.get(b"content-length", b"-1"))
        plain = not head.doubled and not any(name in headers for name in _UNUSUAL)
        if not plain or not 0 <= length <= BODY_BYTES_MAX or parser.get_http_version() != "1.1":
            return False
        self._unset_keepalive_if_required()
        self._since = self.loop.time()
        path = data[5 : data.find(b" ", 5)].decode("ascii")
        exchange = WireExchange(self, path, headers, keep_alive=parser.should_keep_alive())
        self._exchange = exchange
        self._missing = length
        self._take_body(exchange, data[head_end + 4 :])
        return True

    def _take_body(self, exchange: WireExchange, data: bytes) -> None:
        if len(data) > self._missing:
            data, rest = data[: self._missing], data[self._missing :]
            self._next.append(rest)
            self._next_bytes += len(rest)
        self._missing -= len(data)
        exchange.take(data)
        if self._missing == 0:
            task = self.loop.create_task(self._answer(exchange))
            self._task = task
            self.tasks.add(task)

    async def _answer(self, exchange: WireExchange) -> None:
        try:
            await self._hot.handle(exchange)
        finally:
            if self._task is not None:
                self.tasks.discard(self._task)
            self._task = self._exchange = None
            self._since = self.loop.time()
            self._go_on(exchange)

    def _go_on(self, exchange: WireExchange) -> None:
        """After an answer: close, or take what has come in the meantime."""
        if self.transport.is_closing():
            return
        if exchange.close_after:
            self.transport.close()
            return
        if self._next:
            data = b"".join(self._next)
            self._next.clear()
            if self._next_bytes > PIPELINED_BYTES_MAX:
                self.transport.resume_reading()
            self._next_bytes = 0
            self.data_received(data)

    def _to_parent(self, data: bytes) -> None:
        if not self._in_head:
            self._since = self.loop.time()  # who trickles a head byte by byte gains no time
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.send_400_response(f"The head is over {HEAD_BYTES_MAX} bytes.")
