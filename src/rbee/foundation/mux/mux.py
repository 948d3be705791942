"""A session: the streams of a link, and what has to be said again after a reconnect.

A session outlives its connections. Numbered frames (``frames``) are counted at both
ends and kept by their sender until the peer has seen them; when a connection is lost,
``detach`` keeps everything as it is, and ``attach`` to the next one says again what
the peer has not seen. So a stream goes on over a link that broke, without a byte lost
or doubled. How long to wait for that is decided outside, with ``close``.

Order of what goes out: frames that are no DATA at once, DATA only while the connection
takes more (``pause``, ``resume``), one frame of each stream in turn. Memory is bounded:
a stream's unread bytes by its credit, what is kept to be said again by ``KEPT_BYTES_MAX``
(no DATA leaves while it is exceeded), what waits to be sent by its writer's own
backpressure (``Owner.drained``).

Owned by one event loop; no locks, no clock, no socket.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from rbee.foundation.mux import frames
from rbee.foundation.mux.frames import (
    CREDIT,
    DATA,
    DATA_BYTES_MAX,
    END,
    FIRST_NUMBERED,
    HEAD_BYTES,
    LAST_KIND,
    OPEN,
    RESET,
    SEEN,
    Lane,
    Violation,
)
from rbee.foundation.mux.stream import Owner, Stream

STREAMS_MAX: Final = 4096
"""As many answers at once as a machine with 16 GPUs at 256 slots gives."""
KEPT_BYTES_MAX: Final = {"main": 4 * 1024 * 1024, "bulk": 32 * 1024 * 1024}
"""What may be under way unseen: 100 Mbit/s over 300 ms, and 1 Gbit/s over 250 ms."""
KEPT_FRAMES_MAX: Final = 65_536  # a peer that never says what it saw must not cost more
SEEN_EVERY_FRAMES: Final = 32  # of 250 bytes: 8 KiB kept, and 3 % more messages
SEEN_EVERY_BYTES: Final = 64 * 1024  # of large frames: four, a quarter of a window
OUTBOX_LOW_BYTES: Final = 16 * 1024  # one frame is still to be sent when the writer is woken

Send = Callable[[bytes], object]


class StreamLost(ConnectionError):
    """A stream ended before its end."""


class StreamRefused(StreamLost):
    """The other end of the link reset the stream: it says why."""


class LinkLost(StreamLost):
    """The link under the stream is gone for good. Says nothing about a worker behind it."""


class Mux:
    """One end of a session. ``accept`` is called with each stream that the peer opens.

    Only one end opens streams: the one without ``accept``. ``accept`` returns the
    stream's owner, or a reason to refuse it.
    """

    def __init__(
        self, lane: Lane = "main", accept: Callable[[Stream], Owner | str] | None = None
    ) -> None:
        self.streams: dict[int, Stream] = {}
        self.closed = False
        self._lane: Lane = lane
        self._window = frames.WINDOWS[lane]
        self._kept_bytes_max = KEPT_BYTES_MAX[lane]
        self._accept = accept
        self._send: Send | None = None
        self._flowing = False  # attached, and the connection takes more
        self._round: deque[Stream] = deque()  # streams with bytes and credit
        self._last_opened = 0
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._seen_by_peer = 0  # numbered frames that need not be said again
        self.come = 0  # numbered frames that came
        self._told = 0
        self._untold_bytes = 0

    # ── the connection ────────────────────────────────────────────────────────

    def attach(self, send: Send, peer_seen: int) -> None:
        """Go on over a connection whose peer has ``peer_seen`` numbered frames.

        Raises:
            Violation: the peer cannot have seen so many, or has forgotten some.
        """
        self._peer_has(peer_seen)
        self._send = send
        self._told = self.come  # HELLO or WELCOME said it
        self._untold_bytes = 0
        for frame in list(self._kept):
            send(frame)
        self.resume()

    def detach(self) -> None:
        """The connection is gone; keep everything until the next one."""
        self._send = None
        self._flowing = False

    def pause(self) -> None:
        """The connection is full: no more DATA."""
        self._flowing = False

    def resume(self) -> None:
        """The connection takes more."""
        self._flowing = self._send is not None
        self._pump()

    def close(self, reason: str) -> None:
        """End the session: every stream is lost with ``LinkLost``."""
        self.closed = True
        self.detach()
        lost, self.streams = self.streams, {}
        self._round.clear()
        self._kept.clear()
        self._kept_bytes = 0
        for stream in lost.values():
            if stream.owner is not None:
                stream.owner.lost(LinkLost(reason))

    # ── what comes ────────────────────────────────────────────────────────────

    def receive(self, message: bytes) -> None:
        """Take a numbered frame or a SEEN.

        Raises:
            Violation: the peer broke a rule; close the session.
        """
        kind, number = frames.kind_and_stream(message)
        if kind == SEEN:
            self._peer_has(frames.read_seen(message))
            self._pump()
            return
        if not FIRST_NUMBERED <= kind <= LAST_KIND:
            raise Violation(f"a frame of kind {kind} does not belong here")
        self.come += 1
        self._untold_bytes += len(message)
        stream = self.streams.get(number)
        if stream is not None:
            self._take(stream, kind, message)
        elif kind == OPEN:
            self._opened(number, message)
        elif not 0 < number <= self._last_opened:
            raise Violation(f"a frame for stream {number}, which was never opened")
        # Else it crossed our own RESET: the stream is over already.
        if (
            self.come - self._told >= SEEN_EVERY_FRAMES or self._untold_bytes >= SEEN_EVERY_BYTES
        ) and self._send is not None:
            self._told = self.come
            self._untold_bytes = 0
            self._send(frames.seen(self.come))

    def _take(self, stream: Stream, kind: int, message: bytes) -> None:
        owner = stream.owner
        if kind == DATA:
            size = len(message) - HEAD_BYTES
            stream.allowed -= size
            if not 0 < size <= DATA_BYTES_MAX or stream.allowed < 0 or stream.ended_in:
                raise Violation(f"{size} bytes on stream {stream.number} that it may not send")
            if owner is not None:
                owner.taken(message[HEAD_BYTES:])
        elif kind == CREDIT:
            self._credited(stream, frames.read_credit(message))
        elif kind == END:
            if stream.ended_in or len(message) != HEAD_BYTES:
                raise Violation(f"stream {stream.number} ends in a way that there is not")
            stream.ended_in = True
            self._forget_if_over(stream)
            if owner is not None:
                owner.ended()
        elif kind == RESET:
            reason = frames.read_text(message, frames.REASON_BYTES_MAX, "a reason")
            self._forget(stream)
            if owner is not None:
                owner.lost(StreamRefused(reason or "The other end closed it."))
        else:
            raise Violation(f"stream {stream.number} was opened twice")

    def _credited(self, stream: Stream, size: int) -> None:
        stream.credit += size
        if stream.credit > self._window:
            raise Violation(f"stream {stream.number} was given more credit than there is")
        self._enqueue(stream)
        self._pump()

    def _opened(self, number: int, message: bytes) -> None:
        if self._accept is None or number <= self._last_opened:
            raise Violation(f"stream {number} was opened by who may not, or out of order")
        target = frames.read_text(message, frames.TARGET_BYTES_MAX, "a target")
        self._last_opened = number
        if len(self.streams) >= STREAMS_MAX:
            self._number(frames.reset(number, f"There are {STREAMS_MAX} streams already."))
            return
        stream = self.streams[number] = Stream(number, target, self._window)
        answer = self._accept(stream)
        if isinstance(answer, str):
            self.reset(stream, answer)
        else:
            stream.owner = answer

    # ── what goes ─────────────────────────────────────────────────────────────

    def open(self, target: str, owner: Owner) -> Stream:
        """Open a stream; it may be written to at once.

        Raises:
            LinkLost: the session is closed, or has no room for one more.
        """
        if self.closed or self._last_opened >= frames.STREAM_MAX:
            raise LinkLost("The link is closed.")
        if len(self.streams) >= STREAMS_MAX:
            raise LinkLost(f"The link carries {STREAMS_MAX} streams already.")
        self._last_opened += 1
        stream = self.streams[self._last_opened] = Stream(self._last_opened, target, self._window)
        stream.owner = owner
        self._number(frames.head(OPEN, stream.number) + target.encode())
        return stream

    def send(self, stream: Stream, data: bytes) -> None:
        """Send bytes, or keep them in ``stream.outbox`` until credit and connection allow."""
        size = len(data)
        if (
            self._flowing
            and size <= stream.credit
            and 0 < size <= DATA_BYTES_MAX
            and not stream.outbox
            and self._kept_bytes < self._kept_bytes_max
        ):
            stream.credit -= size
            self._number(frames.head(DATA, stream.number) + data)
            return
        stream.outbox += data
        self._enqueue(stream)
        self._pump()

    def end(self, stream: Stream) -> None:
        """Send nothing more after what waits in the outbox."""
        if not stream.ending:
            stream.ending = True
            self._enqueue(stream)
            self._pump()

    def reset(self, stream: Stream, reason: str) -> None:
        """End a stream in both directions, now. Its owner hears nothing more."""
        if self.streams.get(stream.number) is stream:
            self._forget(stream)
            self._number(frames.reset(stream.number, reason))

    def consume(self, stream: Stream, size: int) -> None:
        """So many bytes were used up: in good time the peer may send as many again."""
        stream.used += size
        if stream.used * 2 >= self._window and not stream.ended_in and not self.closed:
            stream.allowed += stream.used
            size, stream.used = stream.used, 0
            if stream.number in self.streams:
                self._number(frames.credit(stream.number, size))

    # ── inside ────────────────────────────────────────────────────────────────

    def _number(self, frame: bytes) -> None:
        """Keep a numbered frame until it was seen, and send it if there is a connection."""
        if len(self._kept) >= KEPT_FRAMES_MAX:
            self.close("The other end never says what it has seen.")
            return
        self._kept.append(frame)
        self._kept_bytes += len(frame)
        if self._send is not None:
            self._send(frame)

    def _peer_has(self, count: int) -> None:
        if not self._seen_by_peer <= count <= self._seen_by_peer + len(self._kept):
            raise Violation(f"{count} frames cannot have been seen")
        while self._seen_by_peer < count:
            self._kept_bytes -= len(self._kept.popleft())
            self._seen_by_peer += 1

    def _enqueue(self, stream: Stream) -> None:
        if not stream.queued and (
            (stream.outbox and stream.credit) or (stream.ending and not stream.outbox)
        ):
            stream.queued = True
            self._round.append(stream)

    def _pump(self) -> None:
        """Send one frame of each stream in turn while the connection takes them."""
        while self._round and self._flowing and self._kept_bytes < self._kept_bytes_max:
            stream = self._round.popleft()
            stream.queued = False
            if self.streams.get(stream.number) is not stream:
                continue
            before = len(stream.outbox)
            size = min(before, stream.credit, DATA_BYTES_MAX)
            if size:
                data = bytes(stream.outbox[:size])
                del stream.outbox[:size]
                stream.credit -= size
                self._number(frames.head(DATA, stream.number) + data)
            if stream.ending and not stream.outbox and not stream.ended_out:
                stream.ended_out = True
                self._number(frames.head(END, stream.number))
                self._forget_if_over(stream)
            self._enqueue_rest(stream)
            left = before - size
            if stream.owner is not None and left <= OUTBOX_LOW_BYTES and (size or not left):
                stream.owner.drained()

    def _enqueue_rest(self, stream: Stream) -> None:
        if stream.outbox:
            self._enqueue(stream)

    def _forget_if_over(self, stream: Stream) -> None:
        if stream.ended_in and stream.ended_out:
            self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        self.streams.pop(stream.number, None)
        stream.outbox.clear()
        stream.ended_out = True
