"""WebSocket frames (RFC 6455), cut and made: no handshake, no extension, no socket.

A link carries ten thousand beats a second, each a message of one unfragmented frame,
and for that case ``Reader.feed`` is one pass without an object besides the payload:
a general library costs several times as much (docs/decisions/0012-link.md). Fragments
are put together, because a proxy in between may cut; text is refused, compression was
never offered. The bytes come from the network: every length is checked before it is
believed, and what breaks the rules raises ``BadMessage`` with the close code to send.
"""

import os
from collections.abc import Callable
from typing import Final

from websockets.frames import apply_mask  # pyright: ignore[reportPrivateImportUsage]  in C, or in Python where that is missing

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED: Final = 1003
POLICY: Final = 1008
TOO_BIG: Final = 1009

CONTROL_BYTES_MAX: Final = 125  # RFC 6455, 5.5
_CONTINUATION: Final = 0
_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_OPCODE: Final = 0x0F
_LENGTH: Final = 0x7F
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127
_TWO_BYTES_MAX: Final = 0xFFFF  # a length above it takes eight (RFC 6455, 5.2)
_KEYS_AT_ONCE: Final = 1024  # one system call makes the masking keys of so many messages


class BadMessage(Exception):
    """The peer broke the rules of WebSocket. ``code`` is what to close with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Reader:
    """Cuts messages out of the bytes of one direction.

    ``take`` gets each binary message, ``control`` an opcode and the payload of each
    close, ping and pong. ``masked`` says whether the peer has to mask (a client has
    to, a server must not). A message is at most ``size_max`` bytes.
    """

    __slots__ = ("_control", "_held", "_masked", "_parts", "_parts_bytes", "_size_max", "take")

    def __init__(
        self,
        take: Callable[[bytes], None],
        control: Callable[[int, bytes], None],
        *,
        masked: bool,
        size_max: int,
    ) -> None:
        self.take = take
        self._control = control
        self._masked = masked
        self._size_max = size_max
        self._held = b""
        self._parts: list[bytes] | None = None
        self._parts_bytes = 0

    def feed(self, data: bytes) -> None:  # noqa: C901, PLR0912  one pass: calls would cost more than it
        """Take bytes as they came.

        Raises:
            BadMessage: a rule is broken; nothing more may be fed.
        """
        if self._held:
            data = self._held + data
            self._held = b""
        at, size = 0, len(data)
        while size - at >= 2:  # noqa: PLR2004  the shortest head
            first, second = data[at], data[at + 1]
            length = second & _LENGTH
            start = at + 2
            if length == _LENGTH_16:
                start += 2
                if size < start:
                    break
                length = data[at + 2] << 8 | data[at + 3]
            elif length == _LENGTH_64:
                start += 8
                if size < start:
                    break
                length = int.from_bytes(data[at + 2 : start], "big")
            if length > self._size_max:
                raise BadMessage(TOO_BIG, f"a message of {length} bytes is over {self._size_max}")
            if (second & _MASKED != 0) is not self._masked:
                raise BadMessage(
                    PROTOCOL_ERROR, "masked where it must not be, or not where it must"
                )
            if self._masked:
                start += 4
            end = start + length
            if size < end:
                break
            payload = data[start:end]
            if self._masked:
                payload = apply_mask(payload, data[start - 4 : start])
            at = end
            if first == _FINAL | BINARY and self._parts is None:
                self.take(payload)
            else:
                self._unusual(first, payload)
        if at < size:
            self._held = data[at:] if at else data

    def _unusual(self, first: int, payload: bytes) -> None:
        """A control frame, or one of several that are one message."""
        opcode = first & _OPCODE
        if first & _RESERVED:
            raise BadMessage(PROTOCOL_ERROR, "a reserved bit is set")
        if opcode >= CLOSE:
            if opcode > PONG or not first & _FINAL or len(payload) > CONTROL_BYTES_MAX:
                raise BadMessage(PROTOCOL_ERROR, "no such control frame")
            self._control(opcode, payload)
            return
        if opcode not in {_CONTINUATION, BINARY}:
            raise BadMessage(UNSUPPORTED, "only binary messages are spoken here")
        if (opcode == BINARY) is not (self._parts is None):
            raise BadMessage(PROTOCOL_ERROR, "a message begins inside another one")
        parts = self._parts = self._parts if self._parts is not None else []
        parts.append(payload)
        # An empty fragment counts too, or a peer could send them for ever.
        self._parts_bytes += len(payload) + 1
        if self._parts_bytes > self._size_max:
            raise BadMessage(TOO_BIG, f"a message is over {self._size_max} bytes")
        if first & _FINAL:
            self._parts, self._parts_bytes = None, 0
            self.take(b"".join(parts))


class Masks:
    """Unforeseeable masking keys, many from one system call."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def next(self) -> bytes:
        """Four bytes for one message."""
        if self._at >= len(self._pool):
            self._pool, self._at = os.urandom(4 * _KEYS_AT_ONCE), 0
        self._at += 4
        return self._pool[self._at - 4 : self._at]


def frame(opcode: int, payload: bytes, mask: bytes | None = None) -> bytes:
    """One unfragmented frame; a client gives a ``mask`` of four bytes."""
    length = len(payload)
    bit = 0 if mask is None else _MASKED
    if length < _LENGTH_16:
        head = bytes((_FINAL | opcode, bit | length))
    elif length <= _TWO_BYTES_MAX:
        head = bytes((_FINAL | opcode, bit | _LENGTH_16, length >> 8, length & 0xFF))
    else:
        head = bytes((_FINAL | opcode, bit | _LENGTH_64)) + length.to_bytes(8, "big")
    return head + payload if mask is None else head + mask + apply_mask(payload, mask)


def close_payload(code: int, reason: str = "") -> bytes:
    """What a close frame carries; the reason is cut to what fits."""
    text = reason.encode()[: CONTROL_BYTES_MAX - 2].decode("utf-8", "ignore")
    return code.to_bytes(2, "big") + text.encode()


def read_close(payload: bytes) -> tuple[int, str]:
    """A close frame's code and reason; 1005 where it has none."""
    if len(payload) < 2:  # noqa: PLR2004  a code is two bytes
        return 1005, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace")
