"""One connection to a worker: the request's bytes out, the answer's bytes back.

An asyncio Protocol, because the general HTTP clients cost ten to a hundred times
as much per event (performance.md). ``httptools`` reads the head, ``framing`` the
body. The answer goes one of two ways: *poured* into a client's wire (``pour``: the
worker's own bytes, no coroutine between two events), or *read* by a coroutine
(``read``: the ``infer`` operation, assembled and stitched answers).

Backpressure both ways: a wire that is behind pauses the socket, and a reader who
falls behind by ``BUFFERED_BYTES_MAX`` does too, so a client that never reads costs
a bounded amount of memory. Silence is judged from outside (``sweep``), once a
second for all connections: a timer per request would cost more than the request.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from rbee.errors import DeadlineExceeded, RbeeError, WorkerFailed
from rbee.foundation.http.exchange import Wire
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

HEAD_S: Final = 600.0  # a 128k prompt on a CPU takes minutes before the first token
SILENCE_S: Final = 60.0  # rule of issue 3: an engine that is busy and says nothing for 60 s hangs
BUFFERED_BYTES_MAX: Final = 256 * 1024  # wire.md: the credit window of a stream
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024  # read whole: a full context's text is far below

POURED_BYTES_MAX: Final = 64 * 1024
"""About 280 events of llama.cpp are kept as they were poured, in case that their worker dies.
Most answers are shorter, and what is never unpacked costs nothing but this memory."""

_OK: Final = 200


class WorkerGone(WorkerFailed):
    """The worker refused the connection or broke it: its process is dead or dying."""


class Stale(WorkerGone):
    """A connection that was kept open turned out to be closed: nothing was answered on it."""


class Upstream(asyncio.Protocol):
    """A connection to a worker and the answer on it. Made by ``pool``."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.exchanges = 0
        self.closed = False
        self.heard_at = monotonic()
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

    # ── asyncio.Protocol ──────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to and to pause."""
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue]  TCP gives no other

    def data_received(self, data: bytes) -> None:
        """Take the head, then the body; what cannot be read ends the conversation."""
        self.heard_at = monotonic()
        write = self._write
        try:
            if write is not None:
                # The rest of this module, written out for the one case that is the load.
                body = self._body
                ready = body.feed(data)  # pyright: ignore[reportOptionalMemberAccess]  it is there
                if ready:
                    write(ready)
                    self._last = ready
                    self.poured.append(ready)
                    self._poured_bytes += len(ready)
                    if self._poured_bytes > POURED_BYTES_MAX:
                        self._fold_poured()
                if body.ended:  # pyright: ignore[reportOptionalMemberAccess]
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
        reason = f": {exc}" if exc else ""
        self._fail(WorkerGone(f"The worker closed the connection in mid-answer{reason}."))

    # ── for the relay ─────────────────────────────────────────────────────────

    @property
    def gone(self) -> bool:
        """Whether the worker broke the connection before the answer's end."""
        return isinstance(self._error, WorkerGone)

    @property
    def error(self) -> RbeeError | None:
        """What went wrong with the answer."""
        return self._error

    @property
    def failed(self) -> bool:
        """Whether the worker is to blame for an answer without an end."""
        return self._error is not None

    @property
    def reusable(self) -> bool:
        """Whether the next request may go over this connection."""
        return (
            self._ended and self._error is None and self._keep_alive and not self.closed
        ) and not self._paused

    @property
    def ended(self) -> bool:
        """Whether the whole answer is here."""
        return self._ended

    @property
    def short(self) -> bool:
        """Whether the answer is one piece, small enough to be kept until it is whole."""
        return self.length is not None and self.length <= BUFFERED_BYTES_MAX

    @property
    def pourable(self) -> bool:
        """Whether the rest of the answer can go to a wire as it comes."""
        return isinstance(self._body, (WholeChunks, LengthBody))

    def send(self, request: bytes, settled: Callable[[], None] | None = None) -> None:
        """Begin an exchange: one write.

        ``settled`` is for who waits without a coroutine. It is called once: when the
        answer has ended, when it has failed (``failed``), or when its head says that it
        is not ``short``.
        """
        self.heard_at = monotonic()
        self._reset()
        self.exchanges += 1
        self._settled = settled
        if self._transport is None or self.closed:
            self._fail(Stale("The worker had closed the connection."))
        else:
            self._transport.write(request)

    def taken(self) -> bytes:
        """The body of a short answer that has ended."""
        return self._taken()

    async def first_byte(self) -> None:
        """Wait until the body begins or ends, without taking anything.

        Raises:
            WorkerFailed: as ``read``.
        """
        while not self._begun and not self._ended:
            await self._more()

    async def whole(self) -> None:
        """Wait for the answer's end, without taking anything: only for bounded answers.

        Raises:
            WorkerFailed: as ``read``.
        """
        while not self._ended:
            await self._more()

    async def read(self) -> bytes:
        """The payload that has come since the last read; ``b""`` at the end of the answer.

        Raises:
            WorkerGone: the connection broke before the end.
            WorkerFailed: what came cannot be read, or silence for too long.
        """
        while not self._ready:
            if self._ended:
                return b""
            await self._more()
        data = self._taken()
        return payload(data) if isinstance(self._body, WholeChunks) else data

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
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def pour(self, wire: Wire, fold: Callable[[], None]) -> None:
        """Let the answer's bytes through to a client's wire until it ends.

        The wire's head has been started with ``length``, or with chunks where that is
        null. What went through is in ``poured``; ``fold`` is called when that grows
        large and shall empty it. The answer's end is written and the wire ended.

        Raises:
            WorkerFailed: as ``read``; the wire has got whole events only.
        """
        self._wire, self._fold = wire, fold
        if self._ready:
            self._flush(self._taken())
        if self._ended:
            self._pour_end(wire)
            return
        if isinstance(self._body, WholeChunks):
            self._write = wire.writer()
        wire.draw_from(self)
        try:
            while not self._ended:
                await self._more()
        finally:
            wire.draw_from(None)
            self._wire = self._write = None

    def abort(self) -> None:
        """Close the connection now; a streaming engine stops generating."""
        self._settled = None
        self._ended = self.closed = True  # no one is to blame for what does not come any more
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """The client is behind: read nothing more from the worker."""
        if not self._paused and self._transport is not None and not self.closed:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """The client has caught up."""
        if self._paused and self._transport is not None:
            self._paused = False
            self.heard_at = monotonic()
            self._transport.resume_reading()

    def sweep(self, now: float) -> None:
        """Judge the worker's silence; called about once a second while an answer is due."""
        if self._paused or self._ended:
            return
        silent_s = now - self.heard_at
        if self._begun and silent_s > SILENCE_S:
            self._refuse(WorkerFailed(f"The worker said nothing for {SILENCE_S:.0f} s."))
        elif silent_s > HEAD_S:
            self._refuse(DeadlineExceeded(f"The worker did not answer in {HEAD_S:.0f} s."))

    # ── inside ────────────────────────────────────────────────────────────────

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

    def _without_pings(self, ready: bytes, body: "Body | WholeChunks") -> bytes:
        """Comments before the first event are an engine's sign of life, not its answer."""
        if self.is_event_stream:
            text = payload(ready) if isinstance(body, WholeChunks) else ready
            if all(line.startswith(b":") for line in text.splitlines() if line):
                return b""
        self._begun = True
        self.first_byte_s = self.heard_at - self._sent_at
        return ready

    def _pour_end(self, wire: Wire) -> None:
        if isinstance(self._body, WholeChunks):
            wire.write(LAST_CHUNK)
        wire.end()

    def _taken(self) -> bytes:
        data = self._ready[0] if len(self._ready) == 1 else b"".join(self._ready)
        self._ready.clear()
        self._ready_bytes = 0
        self.resume()
        return data

    async def _more(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._error is not None and not self._ready:
            raise self._error

    def _end(self) -> None:
        self._ended = True
        self.whole_s = self.heard_at - self._sent_at
        self._wake()

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
            if not (self._ended or self._error is not None or (self.status and not self.short)):
                return
            self._settled = None
            settled()
            return
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
