"""HTTP bodies as a worker frames them: how long one is, and what may go on now.

Pure: bytes in, bytes out, no socket. Three framings exist (a length, chunks, the
connection's end); ``framing_of`` chooses by the head and refuses what is ambiguous,
because two readers of one ambiguous message are how requests are smuggled
(RFC 9112, 6.3).

``WholeChunks`` is the relay's own: it follows the chunk headers and the blank
line that ends an event, and lets through the worker's own bytes, framing included,
as far as whole events reach. What is unfinished waits here for its end, so that a
worker's death never leaves half a frame on a client's wire.
"""

from typing import Final, Protocol

from rbee.errors import WorkerFailed
from rbee.queen.inference.events import EVENT_ENDS, TAIL_BYTES_MAX, EventCutter

LAST_CHUNK: Final = b"0\r\n\r\n"

CHUNK_BYTES_MAX: Final = 64 * 1024 * 1024  # no answer is larger (upstream.ANSWER_BYTES_MAX)

_SIZE_LINE_MAX: Final = 18  # sixteen hexadecimal digits are more bytes than there are
_CRLF: Final = b"\r\n"
_PREFIXES: Final = (b"x", b"X")  # Python reads 0x5 as a number, HTTP does not


class Body(Protocol):
    """A body that comes in pieces. ``ended`` is set when the last one was fed."""

    ended: bool

    def feed(self, data: bytes) -> bytes:
        """The payload in these bytes."""
        ...


class LengthBody:
    """``Content-Length`` bytes."""

    __slots__ = ("_left", "ended", "length")

    def __init__(self, length: int) -> None:
        self.length = length
        self._left = length
        self.ended = length == 0

    def feed(self, data: bytes) -> bytes:
        """The payload in these bytes.

        Raises:
            WorkerFailed: more came than was announced.
        """
        self._left -= len(data)
        if self._left < 0:
            raise WorkerFailed("The worker sent more than its Content-Length.")
        self.ended = self._left == 0
        return data


class ToEndBody:
    """Everything until the connection closes; whether it is whole nobody can say."""

    __slots__ = ("ended",)

    def __init__(self) -> None:
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """The same bytes."""
        return data


class ChunkedBody:
    """Chunked transfer coding, taken off."""

    __slots__ = ("_held", "ended")

    def __init__(self) -> None:
        self._held: bytes = b""
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """The payload of the chunks that are complete with these bytes.

        Raises:
            WorkerFailed: what came is no chunk.
        """
        if self._held:
            data = self._held + data
        parts: list[bytes] = []
        at = 0
        while not self.ended and (found := _chunk_at(data, at)) is not None:
            start, end, at = found
            if end == start:
                self.ended = True
            else:
                parts.append(data[start:end])
        self._held = data[at:]
        if self.ended and self._held:
            raise WorkerFailed("The worker sent more than its answer.")
        return parts[0] if len(parts) == 1 else b"".join(parts)


class WholeChunks:
    """The relay's framing of an event stream in chunks: the worker's bytes, as they came.

    ``feed`` gives wire bytes, chunk framing included and the last, empty chunk left
    out; each piece ends where an event ends. An engine that cuts its chunks anywhere
    is framed anew from then on (``reframed``): one chunk for all events that are whole.
    """

    __slots__ = ("_cutter", "_held", "ended", "reframed")

    def __init__(self) -> None:
        self._held: bytes = b""
        self._cutter = EventCutter()
        self.ended = False
        self.reframed: ChunkedBody | None = None

    def feed(self, data: bytes) -> bytes:
        """What may go on to the client now; ``b""`` when no event is complete.

        Raises:
            WorkerFailed: what came is no chunk.
        """
        if self.reframed is not None:
            return self._feed_anew(data, self.reframed)
        if self._held:
            data = self._held + data
        # Written out, without ``_chunk_at``: this loop is half of an event's Python.
        at, size, end = 0, 1, len(data)
        while at < end:
            line_end = data.find(_CRLF, at, at + _SIZE_LINE_MAX)
            size_line = data[at:line_end]
            if line_end < 0 or not size_line.isalnum():
                break
            size = _size(size_line)
            following = line_end + 4 + size
            if size == 0 or following > end:
                break
            at = following
        if at == end and size and data.endswith(EVENT_ENDS, 0, end - 2):
            if not data.endswith(_CRLF):
                raise WorkerFailed("A chunk of the worker's answer is longer than it said.")
            self._held = b""
            return data
        return self._feed_slowly(data)

    def _feed_slowly(self, data: bytes) -> bytes:
        """The end, or bytes that stop in the middle of something: chunk by chunk."""
        at = whole = 0
        while (found := _chunk_at(data, at)) is not None:
            before = at
            start, end, at = found
            if end == start:
                self.ended = True
                if at != len(data):
                    raise WorkerFailed("The worker sent more than its answer.")
                self._held = b""
                return data[:before]  # a regular end: an engine may leave out the last blank line
            if data.endswith(EVENT_ENDS, start, end):
                whole = at
        if whole < at and self._is_cut_inside(data, whole):
            self.reframed = ChunkedBody()
            return data[:whole] + self._feed_anew(data[whole:], self.reframed)
        self._held = data[whole:]
        if len(self._held) > TAIL_BYTES_MAX and at > whole:
            self._held = data[at:]  # one huge event: it goes on as it comes
            return data[:at]
        return data[:whole]

    def _is_cut_inside(self, data: bytes, whole: int) -> bool:
        """Whether complete chunks after the last whole event hold the end of another one."""
        return any(mark in payload(data[whole:]) for mark in EVENT_ENDS)

    def _feed_anew(self, data: bytes, body: ChunkedBody) -> bytes:
        events = self._cutter.feed(body.feed(data))
        self.ended = body.ended
        if self.ended:
            events += self._cutter.rest()
        return as_chunk(events) if events else b""


def as_chunk(data: bytes) -> bytes:
    """One chunk, framed."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def payload(wire: bytes) -> bytes:
    """What is inside the complete chunks of ``wire``; an unfinished one is left out."""
    parts: list[bytes] = []
    at = 0
    while (found := _chunk_at(wire, at)) is not None:
        start, end, at = found
        parts.append(wire[start:end])
    return b"".join(parts)


def framing_of(headers: list[tuple[bytes, bytes]], status: int) -> Body:
    """The framing that a response's head announces; header names are lower-case.

    Raises:
        WorkerFailed: both a length and chunks, two lengths, or a coding that is not
            plain ``chunked``.
    """
    if status < 200 or status in {204, 304}:  # noqa: PLR2004  RFC 9112: these have no body
        return LengthBody(0)
    lengths = {value for name, value in headers if name == b"content-length"}
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings:
        if lengths or codings != [b"chunked"]:
            raise WorkerFailed("The worker's answer does not say clearly how long it is.")
        return ChunkedBody()
    if not lengths:
        return ToEndBody()
    length = lengths.pop()
    if lengths or not length.isdigit():
        raise WorkerFailed("The worker's answer does not say clearly how long it is.")
    return LengthBody(int(length))


def _chunk_at(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Start and end of the payload of the chunk at ``at``, and where the next one begins.

    None when it is not complete yet. A payload of nothing is the last chunk, whose
    trailers are skipped.
    """
    line_end = data.find(_CRLF, at, at + _SIZE_LINE_MAX)
    if line_end < 0:
        if len(data) - at >= _SIZE_LINE_MAX:
            raise WorkerFailed("The worker's answer is not framed in chunks that rbee reads.")
        return None
    size_line = data[at:line_end]
    if not size_line.isalnum():
        raise WorkerFailed("The worker's answer is not framed in chunks that rbee reads.")
    size = _size(size_line)
    start = line_end + 2
    if size == 0:
        end = start if data.startswith(_CRLF, start) else data.find(b"\r\n\r\n", start) + 2
        return (start, start, end + 2) if end >= start and data.startswith(_CRLF, end) else None
    end = start + size
    if len(data) < end + 2:
        return None
    if not data.startswith(_CRLF, end):
        raise WorkerFailed("A chunk of the worker's answer is longer than it said.")
    return start, end, end + 2


def _size(line: bytes) -> int:
    try:
        size = int(line, 16)
    except ValueError:
        size = CHUNK_BYTES_MAX + 1
    if size > CHUNK_BYTES_MAX or line[1:2] in _PREFIXES:
        raise WorkerFailed("The worker's answer is not framed in chunks that rbee reads.")
    return size
