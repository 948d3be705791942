"""Frames as they go over the wire: an SSE message, and the same deflated, made once for all.

A gzip stream is a header and then deflate blocks. Each frame is deflated by itself, without
a look back into earlier ones, and ends at a byte's edge; so any sequence of them behind one
header is a valid stream, whoever joined when, and a frame is compressed once however many
watch. The stream's own end (a checksum over all of it) never comes: it ends when the
connection does.
"""

import zlib
from typing import Final

from rbee.foundation import sse

GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""RFC 1952: deflate, no name, no time, system unknown."""

LEVEL: Final = (
    5  # figures in JSON: 4 % longer than 9 at a fifth of its time, a third shorter than 1
)
IN_THREAD_BYTES: Final = 32 * 1024  # a millisecond of compressing; below it a thread costs more


class Packed:
    """One message for the wire. ``plain`` is SSE; ``deflated`` is made when somebody wants it."""

    __slots__ = ("_deflated", "data", "event_id", "plain", "seq")

    def __init__(self, seq: int, data: bytes, event_id: str) -> None:
        self.seq = seq
        self.data = data
        self.event_id = event_id
        self.plain = sse.frame(data, event_id=event_id)
        self._deflated: bytes | None = None

    @property
    def is_large(self) -> bool:
        """Whether to deflate it beside the loop."""
        return self._deflated is None and len(self.plain) > IN_THREAD_BYTES

    def deflated(self) -> bytes:
        """As deflate blocks that stand for themselves."""
        if self._deflated is None:
            self._deflated = deflate(self.plain)
        return self._deflated


def deflate(data: bytes) -> bytes:
    """Raw deflate blocks, ended at a byte's edge and not final."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client's ``Accept-Encoding`` allows gzip."""
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.strip().partition(";")
        if name.strip() in {"gzip", "*"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
