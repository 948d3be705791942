"""What a message of a link means: one kind, one stream number, a payload.

    kind (1 byte) | stream (4 bytes, big-endian) | payload (the rest of the message)

| kind | from | stream | payload |
|---|---|---|---|
| HELLO | both, first | 0 | JSON, see ``Hello`` and ``Welcome`` |
| BEAT | hive | 1 where an answer is wanted, else 0 | JSON of ``Heartbeat`` |
| ACK | queen | 0 | JSON of ``HeartbeatAck`` |
| PING, PONG | both | 0 | up to 64 bytes, sent back as they came |
| SEEN | both | 0 | 8 bytes: how many numbered frames have come |
| WANT_BULK | queen | 0 | nothing: the hive is to open its bulk connection |
| OPEN | queen | new | the target: ``hive`` or ``worker:<id>`` |
| DATA | both | of it | 1 to 16,384 bytes |
| CREDIT | both | of it | 4 bytes: so many bytes were used up and may come anew |
| END | both | of it | nothing: no more DATA from this side |
| RESET | both | of it | why, as text: the stream is over in both directions |

The last five are *numbered*: counted by both ends from the session's begin, kept by
the sender until SEEN, and said again after a reconnect. The others are not: a beat is
replaced by the next one. Everything in here may come from an enemy.
"""

import struct
from typing import Annotated, Final, Literal, TypeVar

import msgspec

HELLO: Final = 1
BEAT: Final = 2
ACK: Final = 3
PING: Final = 4
PONG: Final = 5
SEEN: Final = 6
WANT_BULK: Final = 7
OPEN: Final = 16
DATA: Final = 17
CREDIT: Final = 18
END: Final = 19
RESET: Final = 20

FIRST_NUMBERED: Final = OPEN
LAST_KIND: Final = RESET

HEAD_BYTES: Final = 5  # kind and stream
DATA_BYTES_MAX: Final = 16 * 1024
"""A slow line (1 Mbit/s) is free again for a beat after an eighth of a second."""
BEAT_BYTES_MAX: Final = 256 * 1024
"""100 workers with their models; a hive whose beat is larger (a new catalogue) POSTs that one."""
MESSAGE_BYTES_MAX: Final = HEAD_BYTES + BEAT_BYTES_MAX
HELLO_BYTES_MAX: Final = 4 * 1024  # an id, an address, a session
PING_BYTES_MAX: Final = 64  # a number or two
TARGET_BYTES_MAX: Final = 300  # "worker:" and an id of 256 characters at most
REASON_BYTES_MAX: Final = 512  # a sentence
WINDOW_BYTES: Final = 256 * 1024
"""Credit of a stream at its begin (wire.md): 250 ms of a 10 Mbit/s line."""
BULK_WINDOW_BYTES: Final = 8 * 1024 * 1024
"""Of the bulk connection: 1 Gbit/s over 60 ms, or 200 Mbit/s over 300 ms, is never out of it."""
STREAM_MAX: Final = 0xFFFF_FFFF  # four bytes: at 100 streams a second a session lasts 16 months

VERSION: Final = 1
"""Of this protocol. A peer of another one is refused with a reason that names both."""

Lane = Literal["main", "bulk"]
LANES: Final[tuple[Lane, ...]] = ("main", "bulk")
WINDOWS: Final[dict[Lane, int]] = {"main": WINDOW_BYTES, "bulk": BULK_WINDOW_BYTES}

HIVE_TARGET: Final = "hive"
WORKER_TARGET: Final = "worker:"

_HEAD: Final = struct.Struct(">BI")
_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")


class Violation(Exception):
    """The peer said what it may not say: the session ends. The text is for its log and ours."""


_First = TypeVar("_First")

Session = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """A hive's first message. ``seen`` is how many numbered frames it has of this session."""

    version: int
    hive_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    session: Session
    seen: Annotated[int, msgspec.Meta(ge=0)] = 0


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The queen's answer. ``resumed`` false: she knows nothing of the session, it begins anew.

    ``epoch`` fences commands: a hive takes none of a queen with a lower one than it has seen.
    """

    version: int
    epoch: Annotated[int, msgspec.Meta(ge=0)]
    seen: Annotated[int, msgspec.Meta(ge=0)] = 0
    resumed: bool = False


_hello: Final = msgspec.json.Decoder(Hello)
_welcome: Final = msgspec.json.Decoder(Welcome)


def head(kind: int, stream: int = 0) -> bytes:
    """The first five bytes of a frame."""
    return _HEAD.pack(kind, stream)


def kind_and_stream(message: bytes) -> tuple[int, int]:
    """What a message is.

    Raises:
        Violation: too short.
    """
    if len(message) < HEAD_BYTES:
        raise Violation(f"a message of {len(message)} bytes is no frame")
    kind, stream = _HEAD.unpack_from(message)
    return kind, stream


def credit(stream: int, size_bytes: int) -> bytes:
    """A whole CREDIT frame."""
    return _HEAD.pack(CREDIT, stream) + _U32.pack(size_bytes)


def seen(count: int) -> bytes:
    """A whole SEEN frame."""
    return _HEAD.pack(SEEN, 0) + _U64.pack(count)


def reset(stream: int, reason: str) -> bytes:
    """A whole RESET frame; the reason is cut to what fits."""
    text = reason.encode()[:REASON_BYTES_MAX]
    return _HEAD.pack(RESET, stream) + text


def read_credit(message: bytes) -> int:
    """Bytes that a CREDIT gives.

    Raises:
        Violation: not four bytes.
    """
    if len(message) != HEAD_BYTES + _U32.size:
        raise Violation("a credit is four bytes")
    size: int = _U32.unpack_from(message, HEAD_BYTES)[0]
    return size


def read_seen(message: bytes) -> int:
    """The count of a SEEN.

    Raises:
        Violation: not eight bytes.
    """
    if len(message) != HEAD_BYTES + _U64.size:
        raise Violation("a count of what was seen is eight bytes")
    count: int = _U64.unpack_from(message, HEAD_BYTES)[0]
    return count


def read_text(message: bytes, size_max: int, what: str) -> str:
    """A payload that is text.

    Raises:
        Violation: too long, or no UTF-8.
    """
    if len(message) - HEAD_BYTES > size_max:
        raise Violation(f"{what} is over {size_max} bytes")
    try:
        return message[HEAD_BYTES:].decode()
    except UnicodeDecodeError:
        raise Violation(f"{what} is no UTF-8") from None


def read_hello(message: bytes) -> Hello:
    """A hive's first message.

    Raises:
        Violation: it is something else.
    """
    return _read_first(message, _hello)


def read_welcome(message: bytes) -> Welcome:
    """The queen's first message.

    Raises:
        Violation: it is something else.
    """
    return _read_first(message, _welcome)


def _read_first(message: bytes, decoder: "msgspec.json.Decoder[_First]") -> _First:
    kind, stream = kind_and_stream(message)
    if kind != HELLO or stream or len(message) > HELLO_BYTES_MAX:
        raise Violation("the first message is no HELLO")
    try:
        return decoder.decode(message[HEAD_BYTES:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Violation(f"the HELLO cannot be read: {error}") from None
