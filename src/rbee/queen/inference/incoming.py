"""The bytes of a worker's answer as they come in: head, framing, where they go next.

The half of ``upstream`` that the socket drives. ``heads`` reads the head, ``framing``
the body; what is ready goes straight to a client's wire, or waits for the coroutine
that reads it, or for the one call of who waits without a coroutine.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from rbee.errors import RbeeError, WorkerFailed
from rbee.foundation.http.exchange import Wire
from rbee.foundation.http.reads import read_less
from rbee.queen.inference.framing import (
    LAST_CHUNK,
    Body,
    ChunkedBody,
    LengthBody,
    ToEndBody,
    WholeChunks,
    framing_of,
    payload,
)
from rbee.queen.inference.heads import HEAD_BYTES_MAX, read_head

BUFFERED_BYTES_MAX: Final = 256 * 1024  # wire.md: the credit window of a stream

POURED_BYTES_MAX: Final = 64 * 1024
"""About 280 events of llama.cpp are kept as they were poured, in case that their worker dies.
Most answers are shorter, and what is never unpacked costs nothing but this memory."""

_OK: Final = 200


class WorkerGone(WorkerFailed):
    """The worker refused the connection or broke it: its process is dead or dying."""


class Stale(WorkerGone):
    """A connection that was kept open turned out to be closed: nothing was answered on it."""


class Incoming(asyncio.Protocol):
    """One connection's incoming side. ``Upstream`` adds what the relay calls.

    ``clock`` is that of ``sweep``: the monotonic one, but where time is simulated.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.exchanges = 0
        self.closed = False
        self.heard_at = clock()
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_event_stream = False
        self.length: int | None = None
        self._keep_alive = False
        self._head: bytes = b""
        self._body: Body | WholeChunks | None = None
        self._begun = False  # the body's first byte, comments of a stream left out
        self._ready: list[bytes] = []
        self._ready_bytes = 0
        self._paused = False
        self._ended = False
        self._error: RbeeError | None = None
        self._wire: Wire | None = None
        self._write: Callable[[bytes], object] | None = None  # set while events are poured
        self._settled: Callable[[], None] | None = None
        self.poured: list[bytes] = []
        self._poured_bytes = 0
        self._fold: Callable[[], None] | None = None
        self._last: bytes = b""
        self._sent_at = self.heard_at
        self.first_byte_s: float | None = None
        self.whole_s: float | None = None
        self.wants_done = False  # a stream that ends without [DONE] was cut off by its worker

    @property
    def short(self) -> bool:
        """Whether the answer is one piece, small enough to be kept until it is whole."""
        return self.length is not None and self.length <= BUFFERED_BYTES_MAX

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to and to pause."""
        read_less(transport)
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue]  TCP gives no other

    def data_received(self, data: bytes) -> None:
        """Take the head, then the body; what cannot be read ends the conversation."""
        self.heard_at = self._clock()
        write = self._write
        try:
            body = self._body
            if write is not None and body is not None:
                # The rest of this module, written out for the one case that is the load.
                ready = body.feed(data)
                if ready:
                    write(ready)
                    self._last = ready
                    self.poured.append(ready)
                    self._poured_bytes += len(ready)
                    if self._poured_bytes > POURED_BYTES_MAX:
                        self._fold_poured()
                if body.ended:
                    self._end_of_body()
                return
            if self._body is None:
                data = self._take_head(data)
            if data and self._body is not None:
                self._take_body(data, self._body)
        except WorkerFailed as error:
            self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """An end before the message's end is the worker's death."""
        self.closed = True
        if self._ended:
            return
        if isinstance(self._body, ToEndBody) and exc is None:
            self._end()
            return
        if self.exchanges > 1 and not self.status and not self._head:
            self._fail(Stale("The worker had closed the connection."))
            return
        if isinstance(exc, ConnectionRefusedError):
            self._fail(WorkerGone("The worker cannot be reached: nobody listens on its port."))
            return
        reason = f": {exc}".rstrip(".") if exc else ""
        self._fail(WorkerGone(f"The worker closed the connection in mid-answer{reason}."))

    def pause(self) -> None:
        """The client is behind: read nothing more from the worker."""
        if not self._paused and self._transport is not None and not self.closed:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """The client has caught up."""
        if self._paused and self._transport is not None:
            self._paused = False
            self.heard_at = self._clock()
            self._transport.resume_reading()

    def _take_head(self, data: bytes) -> bytes:
        """Read the head; returns the bytes after it, ``b""`` while it is not whole."""
        if self._ended or not self.exchanges:
            raise WorkerFailed("The worker spoke before it was asked.")
        data = self._head + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > HEAD_BYTES_MAX:
                raise WorkerFailed(f"The head of the worker's answer is over {HEAD_BYTES_MAX} B.")
            self._head = data
            return b""
        head, length = read_head(data[: end + 4])
        rest = data[end + 4 :]
        if head.status < 200:  # noqa: PLR2004  an interim answer: the real one follows
            self._head = b""
            return self._take_head(rest) if rest else b""
        self.status, self.headers, self._head = head.status, head.headers, b""
        self.is_event_stream, self._keep_alive = head.is_event_stream, head.keep_alive
        if length is not None and head.status == _OK:
            body: Body | WholeChunks = LengthBody(length)
        else:
            body = framing_of(head.all_headers, head.status)
        if self.is_event_stream and isinstance(body, ChunkedBody):
            body = WholeChunks()
        elif isinstance(body, LengthBody):
            self.length = body.length
        self._body = body
        if body.ended:
            self._end()
        elif self._settled is not None and not self.short:
            self._wake()
        return rest

    def _take_body(self, data: bytes, body: "Body | WholeChunks") -> None:
        if self._ended:
            raise WorkerFailed("The worker sent more than its answer.")
        ready = body.feed(data)
        if not self._begun and ready:
            ready = self._without_pings(ready, body)
        if ready:
            self._last = ready
        self._flush(ready)
        if body.ended:
            self._end_of_body()
        elif ready and self._wire is None:
            self._wake()

    def _without_pings(self, ready: bytes, body: "Body | WholeChunks") -> bytes:
        """Comments before the first event are an engine's sign of life, not its answer."""
        if self.is_event_stream:
            text = payload(ready) if isinstance(body, WholeChunks) else ready
            if all(line.startswith(b":") for line in text.splitlines() if line):
                return b""
        self._begun = True
        self.first_byte_s = self.heard_at - self._sent_at
        return ready

    def _flush(self, ready: bytes) -> None:
        """Bytes for the client, or for the coroutine that reads."""
        if not ready:
            return
        if self._wire is not None:
            self._wire.write(ready)
            self.poured.append(ready)
            self._poured_bytes += len(ready)
            if self._poured_bytes > POURED_BYTES_MAX:
                self._fold_poured()
            return
        self._ready.append(ready)
        self._ready_bytes += len(ready)
        if self._ready_bytes > BUFFERED_BYTES_MAX:
            self.pause()

    def _taken(self) -> bytes:
        data = self._ready[0] if len(self._ready) == 1 else b"".join(self._ready)
        self._ready.clear()
        self._ready_bytes = 0
        self.resume()
        return data

    def _fold_poured(self) -> None:
        if self._fold is not None:
            self._fold()
        self.poured.clear()
        self._poured_bytes = 0

    def _end_of_body(self) -> None:
        """The framing says that this was all; whether the answer is whole, the stream says."""
        if self.wants_done and not self._said_done():
            self._refuse(WorkerGone("The worker ended its stream in mid-answer."))
            return
        if self._wire is not None:
            self._pour_end(self._wire)
        self._end()

    def _said_done(self) -> bool:
        """Whether the stream came to its own end, or to an error that it told of."""
        return b"[DONE]" in self._last or b'"error"' in self._last or not self.is_event_stream

    def _pour_end(self, wire: Wire) -> None:
        if isinstance(self._body, WholeChunks):
            wire.write(LAST_CHUNK)
        wire.end()

    def _end(self) -> None:
        self._ended = True
        self._fold = None
        self.whole_s = self.heard_at - self._sent_at
        self._wake()

    def _is_told(self) -> bool:
        """Whether the head, and a stream's first event, say what kind of answer this is."""
        if self.is_event_stream:
            return self._begun
        return self.status != 0 and not self.short

    def _refuse(self, error: RbeeError) -> None:
        self._fail(error)
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: RbeeError) -> None:
        if self._error is None:
            self._error = error
        self._wake()

    def _wake(self) -> None:
        settled = self._settled
        if settled is not None:
            if not (self._ended or self._error is not None or self._is_told()):
                return
            self._settled = None
            settled()
            return
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
