"""Two transports as one pipe: what comes out of one goes into the other, both ways.

The hive's part in a tunnelled conversation, and all of it: bytes are copied, none is
looked at. Backpressure passes through: a writer that is full pauses the other's reader.
"""

import asyncio


class Splice(asyncio.Protocol):
    """One half. Join two with ``join``; each is its own transport's protocol.

    Bytes that come before the other half is connected wait in the transport.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Splice | None = None
        self.ended = False

    def join(self, other: "Splice") -> None:
        """Let bytes through, both ways."""
        self.other, other.other = other, self
        for half in (self, other):
            if half.transport is not None:
                half.transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; without another half nothing is read."""
        self.transport = transport  # pyright: ignore[reportAttributeAccessIssue]  a pipe has both ways
        if self.other is None and self.transport is not None:
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """One way has ended; the other stays open. When both have, so has the pipe."""
        self.ended = True
        other = None if self.other is None else self.other.transport
        if other is None:
            return False
        if self.other is not None and self.other.ended:
            other.close()
            return False
        other.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """A side that is gone ends the other: at once where it broke, else after what waits."""
        other = None if self.other is None else self.other.transport
        self.transport = None
        if other is None:
            return
        if exc is None:
            other.close()
        else:
            other.abort()

    def pause_writing(self) -> None:
        """This side is full: read no more on the other."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """This side takes more."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def drop(self) -> None:
        """End this side now."""
        if self.transport is not None:
            self.transport.abort()
