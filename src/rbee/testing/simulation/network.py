"""Connections made of timers: two ends in one loop, with delays, losses and cuts.

A ``Path`` is the way between two machines; all connections over it share its
faults. As TCP does, it keeps the order and loses nothing: a lost packet comes late,
a partition holds everything back until it ends. What a real connection can do and
code must survive is here too: refusal, reset, an end at any byte, a reader who is
slow.
"""

import asyncio
from collections import deque
from random import Random
from typing import Any, Final

import msgspec

BUFFER_BYTES_MAX: Final = 64 * 1024  # as the kernel's: more than that and the writer is told
RESENT_AFTER_S: Final = 0.2  # TCP's smallest retransmission timeout
_STEP_S: Final = 1e-7  # keeps the order of two packets of the same moment


class Faults(msgspec.Struct, kw_only=True):
    """How bad a way is. ``loss`` is the share of packets that come late, or not at all."""

    delay_s: tuple[float, float] = (0.0002, 0.001)
    loss: float = 0.0


class Path:
    """The way between two machines, in both directions."""

    def __init__(self, dice: Random, faults: Faults) -> None:
        self.faults = faults
        self._dice = dice
        self._blocked_until = 0.0

    def block(self, until: float) -> None:
        """A partition: nothing passes before this time."""
        self._blocked_until = max(self._blocked_until, until)

    def blocked(self, now: float) -> bool:
        """Whether it is cut now."""
        return now < self._blocked_until

    def arrival(self, now: float) -> float:
        """When what is sent now arrives, over a connection."""
        low, high = self.faults.delay_s
        at = now + low + (high - low) * self._dice.random()
        if self.faults.loss and self._dice.random() < self.faults.loss:
            at += RESENT_AFTER_S
        return max(at, self._blocked_until)

    def loses(self, now: float) -> bool:
        """Whether a message that nobody sends again is lost."""
        return self.blocked(now) or self._dice.random() < self.faults.loss


class End(asyncio.Transport):
    """One end of a connection. ``connect`` makes two."""

    def __init__(self, protocol: asyncio.Protocol, path: Path, names: tuple[str, str]) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._path = path
        self._names = names
        self._arrives = 0.0
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._reading = True
        self._told_full = False
        self._ending = False  # the other end has said that it is over
        self._lost = False
        self._over: Exception | None = None
        self.closing = False
        self.peer: End

    # ── asyncio.Transport ─────────────────────────────────────────────────────

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  asyncio's own
        """The names of both ends; nothing else is known here."""
        if name in {"peername", "sockname"}:
            return (self._names[name == "peername"], 50_000)
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send; what the other end does not read yet is kept for it."""
        if self.closing or not data:
            return
        self._loop.call_at(self._next(), self.peer.receive, bytes(data))

    def close(self) -> None:
        """End in good order: what was written still arrives."""
        self._leave(None)

    def abort(self) -> None:
        """End at once; the other end sees a reset."""
        self._leave(ConnectionResetError(104, "Connection reset by peer"))

    def sever(self) -> None:
        """The process at this end was killed: it hears nothing of it, the other end does."""
        self._lost = True
        self.abort()

    def is_closing(self) -> bool:
        """Whether it is over."""
        return self.closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who reads here."""
        return self._protocol

    def pause_reading(self) -> None:
        """Take nothing for now."""
        self._reading = False

    def resume_reading(self) -> None:
        """Read again."""
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._drain)

    def is_reading(self) -> bool:
        """Whether what arrives is read."""
        return self._reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """One limit serves all."""

    def get_write_buffer_size(self) -> int:
        """What the other end has not read."""
        return self.peer.unread_bytes

    # ── the wire ──────────────────────────────────────────────────────────────

    @property
    def unread_bytes(self) -> int:
        """What has arrived and is not read."""
        return self._unread_bytes

    def receive(self, data: bytes) -> None:
        """Bytes arrive."""
        if self._lost or self.closing:
            return
        self._unread.append(data)
        self._unread_bytes += len(data)
        self._drain()
        if self._unread_bytes > BUFFER_BYTES_MAX and not self._told_full:
            self._told_full = True
            self.peer.full()

    def full(self) -> None:
        """The other end is behind."""
        if not self._lost and not self.closing:
            self._protocol.pause_writing()

    def room(self) -> None:
        """The other end has caught up."""
        if not self._lost and not self.closing:
            self._protocol.resume_writing()

    def over(self, error: Exception | None) -> None:
        """The other end is gone; what it sent before is read first, unless it was a reset."""
        self._ending, self._over = True, error
        if error is not None:
            self._unread.clear()
            self._reading = True
        self._drain()

    def _drain(self) -> None:
        while self._reading and self._unread and not self._lost and not self.closing:
            data = self._unread.popleft()
            self._unread_bytes -= len(data)
            self._protocol.data_received(data)
        if self._told_full and not self._unread:
            self._told_full = False
            self.peer.room()
        if self._ending and self._reading and not self._unread:
            self.closing = True
            self._lose(self._over)

    def _leave(self, error: Exception | None) -> None:
        if self.closing:
            return
        self.closing = True
        self._loop.call_at(self._next(), self.peer.over, error)
        self._loop.call_soon(self._lose, None)

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(error)

    def _next(self) -> float:
        now = self._loop.time()
        self._arrives = max(self._path.arrival(now), self._arrives + _STEP_S)
        return self._arrives


def connect(
    here: asyncio.Protocol, there: asyncio.Protocol, path: Path, names: tuple[str, str]
) -> tuple[End, End]:
    """A connection, made: both ends know. ``names`` are the machines', here and there."""
    near, far = End(here, path, names), End(there, path, (names[1], names[0]))
    near.peer, far.peer = far, near
    there.connection_made(far)
    here.connection_made(near)
    return near, far
