"""One conversation with a worker: the client's bytes out, the worker's bytes back.

An asyncio Protocol over httptools, because the general HTTP clients cost ten to
a hundred times as much per event (performance.md). A fresh connection per
request: llama.cpp's server drops a streamed request on a reused one now and
then, and a connect on loopback costs 0.1 ms.

Backpressure: when a reader falls behind by ``BUFFERED_BYTES_MAX`` the socket is
not read until it has caught up, so a client that never reads costs a bounded
amount of memory.
"""

import asyncio
from typing import NamedTuple

import httptools

from rbee.errors import DeadlineExceeded, WorkerFailed
from rbee.queen.registry.workers import RoutableWorker

CONNECT_S = 5.0  # a worker's kernel answers at once; a machine that is gone does not
HEAD_S = 600.0  # a 128k prompt on a CPU takes minutes before the first token
SILENCE_S = 60.0  # rule of issue 3: an engine that is busy and says nothing for 60 s hangs
BUFFERED_BYTES_MAX = 256 * 1024  # wire.md: the credit window of a stream
ANSWER_BYTES_MAX = 64 * 1024 * 1024  # an answer read whole: a full context's text is far below

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_WORKERS_OWN = frozenset({b"server", b"date", b"set-cookie"})


class WorkerGone(WorkerFailed):
    """The worker refused the connection or broke it: its process is dead or dying."""


class Request(NamedTuple):
    """What is sent: ``path`` on the worker and the JSON body, byte for byte."""

    path: str
    body: bytes


class Upstream(asyncio.Protocol):
    """The answer as it comes in. Made by ``open_upstream``; always ``abort`` it at the end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_event_stream = False
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._buffered_bytes = 0
        self._paused = False
        self._ended = False
        self._error: WorkerFailed | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._head: asyncio.Future[None] = loop.create_future()

    # ── asyncio.Protocol ──────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to and to pause."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  TCP gives no other
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a frame that it refuses ends the conversation."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(WorkerFailed(f"The worker's answer is not valid HTTP: {error}."))
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """An end before the message's end is the worker's death."""
        if not self._ended:
            reason = f": {exc}" if exc else ""
            self._fail(WorkerGone(f"The worker closed the connection in mid-answer{reason}."))

    # ── httptools callbacks ───────────────────────────────────────────────────

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what belongs to the answer; framing and the worker's own headers stay here."""
        name = name.lower()
        if name == b"content-type":
            self.is_event_stream = value.startswith(b"text/event-stream")
        if name in _HOP_BY_HOP or name in _WORKERS_OWN or name.startswith(b"access-control-"):
            return
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is here."""
        self.status = self._parser.get_status_code()
        if not self._head.done():
            self._head.set_result(None)

    def on_body(self, data: bytes) -> None:
        """A piece of the body, chunk framing already taken off."""
        self._chunks.append(data)
        self._buffered_bytes += len(data)
        if self._buffered_bytes > BUFFERED_BYTES_MAX and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        self._ended = True
        self._wake()

    # ── for the relay ─────────────────────────────────────────────────────────

    @property
    def gone(self) -> bool:
        """Whether the worker broke the connection before the answer's end."""
        return isinstance(self._error, WorkerGone)

    async def send(self, request: Request, worker: RoutableWorker) -> None:
        """Write the request and wait for the answer's head."""
        assert self._transport is not None  # noqa: S101  create_connection has returned
        self._transport.writelines([_request_head(request, worker), request.body])
        try:
            await asyncio.wait_for(self._head, HEAD_S)
        except TimeoutError:
            raise DeadlineExceeded(f"The worker did not answer in {HEAD_S:.0f} s.") from None

    async def read(self) -> bytes:
        """What has come since the last read; ``b""`` at the end of the answer.

        Raises:
            WorkerGone: the connection broke before the end.
            WorkerFailed: not valid HTTP, or silence for ``SILENCE_S``.
        """
        while not self._chunks:
            if self._ended:
                return b""
            if self._error is not None:
                raise self._error
            await self._more()
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._buffered_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def first_byte(self) -> None:
        """Wait until the body begins or ends, without taking anything."""
        while not self._chunks and not self._ended:
            if self._error is not None:
                raise self._error
            await self._more()

    async def read_all(self) -> bytes:
        """The whole body.

        Raises:
            WorkerFailed: as ``read``, or larger than ``ANSWER_BYTES_MAX``.
        """
        parts: list[bytes] = []
        size = 0
        while data := await self.read():
            size += len(data)
            if size > ANSWER_BYTES_MAX:
                raise WorkerFailed(f"The worker's answer is over {ANSWER_BYTES_MAX} bytes.")
            parts.append(data)
        return b"".join(parts)

    def abort(self) -> None:
        """Close the connection now; a streaming engine stops generating."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(SILENCE_S):
                await self._waiter
        except TimeoutError:
            raise WorkerFailed(f"The worker said nothing for {SILENCE_S:.0f} s.") from None
        finally:
            self._waiter = None

    def _fail(self, error: WorkerFailed) -> None:
        if self._error is None:
            self._error = error
        if not self._head.done():
            self._head.set_exception(error)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def open_upstream(worker: RoutableWorker, request: Request) -> Upstream:
    """Connect to a worker, send, and wait for the head and the first byte of the body.

    Raises:
        WorkerGone: refused, reset, or closed before the first byte.
        WorkerFailed: what came is no HTTP.
        DeadlineExceeded: no head in ``HEAD_S``.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_S):
            _, upstream = await loop.create_connection(Upstream, worker.address, worker.port)
    except OSError as error:  # a timeout is one, without a text
        raise WorkerGone(
            f"The worker {worker.worker_id} cannot be reached on port {worker.port}: "
            f"{error.strerror or 'no answer'}."
        ) from None
    try:
        await upstream.send(request, worker)
        await upstream.first_byte()
    except BaseException:
        upstream.abort()
        raise
    return upstream


def _request_head(request: Request, worker: RoutableWorker) -> bytes:
    return (
        f"POST {request.path} HTTP/1.1\r\n"
        f"Host: {worker.address}:{worker.port}\r\n"
        f"Authorization: Bearer {worker.key}\r\n"
        "Content-Type: application/json\r\n"
        "Accept: */*\r\n"
        "Connection: close\r\n"
        f"Content-Length: {len(request.body)}\r\n\r\n"
    ).encode("latin-1")
