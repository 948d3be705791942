"""A stream of a link as an ``asyncio.Transport``: whatever speaks over TCP speaks over it.

The queen's relay (``inference.upstream``), an HTTP client's connection and the hive's
own HTTP server run over it unchanged. What asyncio's TCP transports promise, it keeps:
no call of the protocol from within its own calls to the transport, ``connection_lost``
exactly once and last, ``pause_writing`` above a high-water mark, bytes before an end.
Reading that is paused stops the peer after the stream's window, because only bytes
that were handed to the protocol are given back as credit.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from rbee.foundation.mux.mux import OUTBOX_LOW_BYTES, Mux
from rbee.foundation.mux.stream import Stream

P = TypeVar("P", bound=asyncio.BaseProtocol)

OUTBOX_HIGH_BYTES: Final = 64 * 1024  # asyncio's own high-water mark

_PLACE: Final = ("link", 0)  # for who asks a transport where its peer is


class LinkTransport(asyncio.Transport):
    """One end of a stream and its owner (``mux.stream.Owner``). ``start`` calls the protocol's ``connection_made``."""

    def __init__(self, mux: Mux, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__({"peername": _PLACE, "sockname": _PLACE, **(extra or {})})
        self._mux = mux
        self._loop = asyncio.get_running_loop()
        self._stream: Stream | None = None
        self._protocol: asyncio.Protocol | None = None
        self._inbox: list[bytes] = []
        self._reading_paused = False
        self._writing_paused = False
        self._end_came = False
        self._end_told = False
        self._closing = False
        self._over = False
        self._high = OUTBOX_HIGH_BYTES

    def start(self, stream: Stream, protocol: asyncio.BaseProtocol) -> None:
        """Join the stream and its protocol."""
        self._stream = stream
        self.set_protocol(protocol)
        protocol.connection_made(self)

    # ── the stream's owner ────────────────────────────────────────────────────

    def taken(self, data: bytes) -> None:
        """Bytes for the protocol."""
        protocol, stream = self._protocol, self._stream
        if self._closing or protocol is None or stream is None:
            self._refuse_more()
        elif self._reading_paused or self._inbox:
            self._inbox.append(data)
        else:
            protocol.data_received(data)
            self._mux.consume(stream, len(data))

    def ended(self) -> None:
        """The peer sends nothing more."""
        self._end_came = True
        if not self._inbox and not self._reading_paused:
            self._tell_end()

    def lost(self, error: ConnectionError) -> None:
        """The stream is gone."""
        self._closing = True
        self._finish(error)

    def drained(self) -> None:
        """The outbox is low again."""
        if self._writing_paused and self._protocol is not None:
            self._writing_paused = False
            if not self._over:
                self._protocol.resume_writing()
        if self._closing and self._stream is not None and self._stream.ended_out:
            self._finish(None)

    # ── asyncio.Transport: reading ────────────────────────────────────────────

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Who gets what comes."""
        self._protocol = protocol  # pyright: ignore[reportAttributeAccessIssue]  as asyncio has it

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who gets what comes."""
        if self._protocol is None:
            raise RuntimeError("a transport that was never started has no protocol")
        return self._protocol

    def is_reading(self) -> bool:
        """Whether bytes are handed on as they come."""
        return not self._reading_paused and not self._closing

    def pause_reading(self) -> None:
        """Keep what comes; the peer's credit runs out."""
        self._reading_paused = True

    def resume_reading(self) -> None:
        """Hand on what came meanwhile, in the loop's next turn."""
        if self._reading_paused:
            self._reading_paused = False
            if self._inbox or self._end_came:
                self._loop.call_soon(self._hand_on)

    def _hand_on(self) -> None:
        while self._inbox and not self._reading_paused and not self._closing:
            data = self._inbox.pop(0)
            if self._protocol is not None and self._stream is not None:
                self._protocol.data_received(data)
                self._mux.consume(self._stream, len(data))
        if self._end_came and not self._inbox and not self._reading_paused:
            self._tell_end()

    def _tell_end(self) -> None:
        if self._end_told or self._closing or self._protocol is None:
            return
        self._end_told = True
        if not self._protocol.eof_received():
            self.close()

    # ── asyncio.Transport: writing ────────────────────────────────────────────

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; what there is no credit for waits."""
        stream = self._stream
        if self._closing or stream is None or not data or stream.ending:
            return
        self._mux.send(stream, data if isinstance(data, bytes) else bytes(data))
        if not self._writing_paused and len(stream.outbox) > self._high:
            self._writing_paused = True
            if self._protocol is not None:
                self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        """One direction may end before the other."""
        return True

    def write_eof(self) -> None:
        """Send nothing more; the peer still may."""
        if self._stream is not None:
            self._mux.end(self._stream)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """How many bytes may wait before the protocol is told to pause."""
        del low  # the mux wakes at a fixed one
        self._high = OUTBOX_HIGH_BYTES if high is None else max(high, OUTBOX_LOW_BYTES)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high, in bytes."""
        return OUTBOX_LOW_BYTES, self._high

    def get_write_buffer_size(self) -> int:
        """Bytes that wait for credit, or for the connection."""
        return 0 if self._stream is None else len(self._stream.outbox)

    # ── asyncio.Transport: the end ────────────────────────────────────────────

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._closing

    def close(self) -> None:
        """Send what waits, then end. What still comes is not read any more."""
        if self._closing:
            return
        self._closing = True
        stream = self._stream
        if stream is None or stream.ended_out:
            self._finish(None)
            return
        self._mux.end(stream)  # may call ``drained``, which finishes
        if stream.ended_out:
            self._finish(None)

    def abort(self) -> None:
        """End at once; what waits is not sent."""
        self._closing = True
        if self._stream is not None:
            self._mux.reset(self._stream, "")
        self._finish(None)

    def _refuse_more(self) -> None:
        """The peer goes on sending to a side that has closed."""
        if self._stream is not None:
            self._mux.reset(self._stream, "")
        self._finish(None)

    def _finish(self, error: Exception | None) -> None:
        if self._over:
            return
        self._over = True
        self._inbox.clear()
        if self._protocol is not None:
            self._loop.call_soon(self._tell_lost, self._protocol, error)

    def _tell_lost(self, protocol: asyncio.BaseProtocol, error: Exception | None) -> None:
        protocol.connection_lost(error)


def open_stream(
    mux: Mux, target: str, make: Callable[[], P], extra: Mapping[str, Any] | None = None
) -> P:
    """Open a stream and put a new protocol on it, which may write at once.

    Raises:
        LinkLost: the link is closed or full.
    """
    transport = LinkTransport(mux, extra)
    stream = mux.open(target, transport)
    protocol = make()
    transport.start(stream, protocol)
    return protocol
