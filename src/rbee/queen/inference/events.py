"""Whole events only: the framing of a stream, without looking inside.

A worker that dies in the middle of a write must not leave half an event on the
client's wire, or nothing could be said after it. So bytes go on up to the last
blank line that ends an event; an unfinished tail waits for its end.
"""

TAIL_BYTES_MAX = 64 * 1024  # design.md; a longer tail is one huge event and goes on as it comes

EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class EventCutter:
    """Takes chunks as they come, gives whole events."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        """The whole events that are complete with this chunk; ``b""`` when none is."""
        data = self._tail + chunk if self._tail else chunk
        if data.endswith(EVENT_ENDS):
            self._tail = b""
            return data
        end = max(data.rfind(mark) + len(mark) if mark in data else 0 for mark in EVENT_ENDS)
        if len(data) - end > TAIL_BYTES_MAX:
            end = len(data)
        self._tail = data[end:]
        return data[:end]

    def rest(self) -> bytes:
        """What is left at a regular end: an engine may leave out the last blank line."""
        tail, self._tail = self._tail, b""
        return tail
