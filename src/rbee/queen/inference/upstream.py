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

from collections.abc import Callable
from typing import Final

from rbee.errors import DeadlineExceeded, RbeeError, WorkerFailed
from rbee.foundation.http.exchange import Wire
from rbee.queen.inference.framing import LengthBody, WholeChunks, payload
from rbee.queen.inference.incoming import BUFFERED_BYTES_MAX, Incoming, Stale, WorkerGone

HEAD_S: Final = 600.0  # a 128k prompt on a CPU takes minutes before the first token
SILENCE_S: Final = 60.0  # rule of issue 3: an engine that is busy and says nothing for 60 s hangs
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024  # read whole: a full context's text is far below

__all__ = ["BUFFERED_BYTES_MAX", "Stale", "Upstream", "WorkerGone"]


class Upstream(Incoming):
    """A connection to a worker and the answer on it. Made by ``pool``.

    ``era`` is the pool's: by it a connection that goes an old way is known.
    """

    era = 0

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
    def begun(self) -> bool:
        """Whether the first byte of the body is here, or its end."""
        return self._begun or self._ended

    @property
    def ended(self) -> bool:
        """Whether the whole answer is here."""
        return self._ended

    @property
    def pourable(self) -> bool:
        """Whether the rest of the answer can go to a wire as it comes."""
        return isinstance(self._body, (WholeChunks, LengthBody))

    def send(self, request: bytes, settled: Callable[[], None] | None = None) -> None:
        """Begin an exchange: one write.

        ``settled`` is for who waits without a coroutine. It is called once: when the
        answer has ended, when it has failed (``failed``), or when its head says that it
        is not ``short``; of an event stream not before the first event.
        """
        self.heard_at = self._clock()
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
        self.start_pour(wire, fold)
        try:
            while not self._ended:
                await self._more()
        finally:
            wire.draw_from(None)
            self._wire = self._write = None

    def start_pour(
        self, wire: Wire, fold: Callable[[], None], settled: Callable[[], None] | None = None
    ) -> None:
        """``pour`` for who waits without a coroutine: ``settled`` is called at the end.

        Not where the answer ended before (``ended``): then all of it is on the wire.
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
        self._settled = settled

    def hand_over(self) -> None:
        """Whoever waited without a coroutine waits no more: one will read, or pour."""
        self._settled = None

    def abort(self) -> None:
        """Close the connection now; a streaming engine stops generating."""
        self._settled = None
        self._ended = self.closed = True  # no one is to blame for what does not come any more
        if self._transport is not None:
            self._transport.abort()

    def sweep(self, now: float) -> None:
        """Judge the worker's silence; called about once a second while an answer is due."""
        if self._paused or self._ended:
            return
        silent_s = now - self.heard_at
        if self._begun and silent_s > SILENCE_S:
            self._refuse(WorkerFailed(f"The worker said nothing for {SILENCE_S:.0f} s."))
        elif silent_s > HEAD_S:
            self._refuse(DeadlineExceeded(f"The worker did not answer in {HEAD_S:.0f} s."))

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
