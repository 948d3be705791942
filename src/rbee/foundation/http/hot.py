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
import re
from time import monotonic
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rbee.foundation.http.body import BODY_BYTES_MAX
from rbee.foundation.http.reads import read_less
from rbee.foundation.http.tls import Peer
from rbee.foundation.http.upgrade import Upgrade
from rbee.foundation.http.wire import Handle, Hot, PlainHead, WireExchange

HEAD_BYTES_MAX: Final = 64 * 1024  # common servers allow 8 to 64 KiB; cookies are the largest part
PIPELINED_BYTES_MAX: Final = 64 * 1024  # beyond it the client is not read until its answer is out
HEAD_S: Final = 10.0  # a head is one packet: who takes longer holds connections open on purpose
BODY_S: Final = 120.0  # 32 MiB over 2.2 Mbit/s, a slow home uplink
UNREAD_S: Final = 60.0  # a client that takes nothing for so long will not take the rest either

PEER: Final = "rbee.peer"
"""Where a request's ``Peer`` stands in its ASGI scope; absent without a certificate."""
HIVE_ID: Final = "rbee.hive"
"""Where the id of the hive stands that the certificate is of."""

_HEAD_END: Final = b"\r\n\r\n"
_UNUSUAL: Final = (b"origin", b"expect", b"transfer-encoding", b"upgrade")
_LENGTH_LINE: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (\d{1,9})(?=\r\n)")
_HEADS_KEPT_MAX: Final = 512  # as many kinds of clients speak at once; a few hundred KiB
_HEAD_KEPT_BYTES_MAX: Final = 2048  # longer ones are rare, and would make the memory large


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


class HotProtocol(HttpToolsProtocol):
    """uvicorn's protocol behind the hot door. See the module."""

    def __init__(self, *args: Any, hot: Hot, **kwargs: Any) -> None:  # noqa: ANN401  uvicorn's own
        super().__init__(*args, **kwargs)
        self.peer: Peer | None = None  # who showed a certificate of the colony: `door` knows
        self._hot = hot
        self._exchange: WireExchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._missing = 0  # bytes of the hot request's body that are still to come
        self._next: list[bytes] = []  # what came while an answer was on its way
        self._next_bytes = 0
        self._since = monotonic()
        self._head_bytes = 0
        self._in_head = False
        self._write_paused_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the client is still connected."""
        return self in self.connections

    # ── asyncio.Protocol ──────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  as uvicorn has it
        """A client connected."""
        read_less(transport)
        super().connection_made(transport)

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
        self._write_paused_at = monotonic()
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
        self._since = monotonic()
        super().on_message_begin()
        if self.peer is not None:
            scope: dict[str, Any] = self.scope  # pyright: ignore[reportAssignmentType]  extensions
            scope[PEER] = self.peer
            if self.peer.hive_id is not None:
                scope[HIVE_ID] = self.peer.hive_id

    def handle_websocket_upgrade(self) -> None:
        """The connection becomes a WebSocket: another's from now on."""
        self.connections.discard(self)
        path, _, query = self.url.partition(b"?")
        self._hot.upgrades[path](
            Upgrade(self.transport, self.connections, path, query, self.headers, self.peer)
        )

    def _should_upgrade(self) -> bool:
        """Only where somebody takes it; elsewhere the header is ignored, as HTTP has it."""
        path = self.url.partition(b"?")[0]
        return path in self._hot.upgrades and self._get_upgrade() == b"websocket"

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
        head_end = data.find(_HEAD_END, 0, HEAD_BYTES_MAX) + 2
        line = _LENGTH_LINE.search(data, 0, head_end)
        if head_end < len(_HEAD_END) or line is None:
            return False
        # All of the head but its Content-Length, which differs from request to request.
        key = data[: line.start()] + data[line.end() : head_end]
        length = int(line[1])
        head = self._hot.heads.get(key)
        if head is None:
            head = self._read_head(data[: head_end + 2], key)
        if head is None or length > BODY_BYTES_MAX:
            return False
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        self._since = monotonic()
        exchange = WireExchange(self, head)
        self._exchange = exchange
        self._missing = length
        self._take_body(exchange, data[head_end + 2 :])
        return True

    def _read_head(self, data: bytes, key: bytes) -> PlainHead | None:
        """Read a head with all of HTTP's rules; None where it is not plain."""
        path = data[5 : data.find(b" ", 5, 128)]
        if path not in self._hot.paths:
            return None
        seen = _Head()
        parser = httptools.HttpRequestParser(seen)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return None
        headers = seen.headers
        if seen.doubled or any(name in headers for name in _UNUSUAL):
            return None
        if parser.get_http_version() != "1.1":
            return None
        head = PlainHead(path.decode("ascii"), headers, keep_alive=parser.should_keep_alive())
        if len(key) <= _HEAD_KEPT_BYTES_MAX:
            if len(self._hot.heads) >= _HEADS_KEPT_MAX:
                self._hot.heads.clear()
            self._hot.heads[key] = head
        return head

    def _take_body(self, exchange: WireExchange, data: bytes) -> None:
        if len(data) > self._missing:
            data, rest = data[: self._missing], data[self._missing :]
            self._next.append(rest)
            self._next_bytes += len(rest)
        self._missing -= len(data)
        exchange.take(data)
        if self._missing == 0:
            quick = self._hot.quick
            if quick is None or not quick(exchange):
                self.run(exchange, self._hot.handle)

    def run(self, exchange: WireExchange, handle: Handle) -> None:
        """Answer in a task of its own.

        Until its first step a cancelled task runs nothing at all: ``on_left`` is called then,
        for what the task was to take over.
        """
        task = self.loop.create_task(self._answer(exchange, handle))
        self._task = task
        self.tasks.add(task)

    async def _answer(self, exchange: WireExchange, handle: Handle) -> None:
        exchange.on_left = None
        try:
            await handle(exchange)
        finally:
            if self._task is not None:
                self.tasks.discard(self._task)
            self._task = None
            self.after(exchange)

    def after(self, exchange: WireExchange) -> None:
        """After an answer: close, or take what has come in the meantime."""
        self._exchange = None
        self._since = monotonic()
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
            self._since = monotonic()  # who trickles a head byte by byte gains no time
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.send_400_response(f"The head is over {HEAD_BYTES_MAX} bytes.")
