"""One hive's link, as the queen holds it: a session, and the connection it has just now."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from rbee.contracts.ids import HiveId
from rbee.foundation.link.connection import Connection
from rbee.foundation.mux import frames
from rbee.foundation.mux.frames import ACK, BEAT, HEAD_BYTES, PING, PONG, Hello, Lane, Violation
from rbee.foundation.mux.mux import Mux

TakeBeat = Callable[["Link", memoryview], bytes | None]
"""Takes a beat's JSON; returns the ack's JSON where there is something to answer.

Raises Violation when the beat is not one that this hive may send.
"""

_ACK_HEAD: Final = frames.head(ACK)


class Link:
    """A session with one hive. ``foundation.link.connection.Session``.

    ``heard_at`` and ``detached_at`` are in seconds of the loop's clock. ``near`` says
    whether the hive is on the queen's own machine, ``address`` where it dials from.
    """

    __slots__ = (
        "_changed",
        "_loop",
        "_take_beat",
        "address",
        "connection",
        "detached_at",
        "extra",
        "heard_at",
        "hive_id",
        "lane",
        "mux",
        "near",
        "session",
    )

    def __init__(
        self, hello: Hello, lane: Lane, take_beat: TakeBeat, changed: Callable[["Link"], None]
    ) -> None:
        self.hive_id = HiveId(hello.hive_id)
        self.session = hello.session
        self.lane: Lane = lane
        self.mux = Mux(lane)
        self.connection: Connection | None = None
        self.near = False
        self.address = ""
        self.extra: dict[str, Any] = {}
        self._take_beat = take_beat
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self.heard_at = self._loop.time()
        self.detached_at = self.heard_at

    @property
    def up(self) -> bool:
        """Whether it has a connection now."""
        return self.connection is not None

    def join(self, connection: Connection, welcome: bytes, peer_seen: int) -> None:
        """Go on over a connection: the welcome first, then what the hive has not seen.

        Raises:
            Violation: the hive counts frames that there never were.
        """
        before, self.connection = self.connection, connection
        if before is not None:
            before.abort("a newer connection of the same hive took its place")
        self.heard_at = self._loop.time()
        connection.send(welcome)
        self.mux.attach(connection.send, peer_seen)
        self._changed(self)

    def drop(self, reason: str) -> None:
        """End the session: its streams are lost."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort(reason)
            self._changed(self)
        self.mux.close(reason)

    # ── foundation.link.connection.Session ────────────────────────────────────

    def receive(self, message: bytes) -> None:
        """A frame of the hive's.

        Raises:
            Violation: one that it may not send.
        """
        self.heard_at = self._loop.time()
        kind = message[0] if message else 0
        if kind == BEAT and len(message) > HEAD_BYTES:
            wanted = message[HEAD_BYTES - 1]  # the stream number of a beat: 1 asks for an answer
            ack = self._take_beat(self, memoryview(message)[HEAD_BYTES:])
            if (ack is not None or wanted) and self.connection is not None:
                self.connection.send(_ACK_HEAD + (ack or b'{"status":"ok"}'))
        elif kind == PING:
            if len(message) > HEAD_BYTES + frames.PING_BYTES_MAX:
                raise Violation("a ping is short")
            if self.connection is not None:
                self.connection.send(frames.head(PONG) + message[HEAD_BYTES:])
        elif kind != PONG:
            self.mux.receive(message)

    def lost(self, connection: Connection, reason: str) -> None:
        """A connection is gone; the session waits for the next one."""
        del reason
        if connection is self.connection:
            self.connection = None
            self.detached_at = self._loop.time()
            self.mux.detach()
            self._changed(self)

    def pause(self) -> None:
        """The connection is full."""
        self.mux.pause()

    def resume(self) -> None:
        """It takes more."""
        self.mux.resume()
