"""Server-Sent Events, both ways: frames out of the servers, events into our client.

The format is the WHATWG HTML standard's, "Server-sent events", section 9.2.
"""

from collections.abc import Iterator

import msgspec

KEEP_ALIVE = b": keep-alive\n\n"
KEEP_ALIVE_EVERY_S = 15.0  # proxies commonly cut a connection that is silent for 30 to 60 s

_EVENT_BYTES_MAX = 8 * 1024 * 1024  # twice a job's whole log: a longer event is no event of ours


def frame(data: bytes, *, event_id: int | str | None = None) -> bytes:
    """One unnamed message. ``data`` is one line (JSON has no raw newline)."""
    if event_id is None:
        return b"data: " + data + b"\n\n"
    return b"id: %s\ndata: %s\n\n" % (str(event_id).encode(), data)


def comment(text: str) -> bytes:
    """A line that clients ignore and people see in curl."""
    return b": " + text.replace("\n", " ").encode() + b"\n\n"


class ServerEvent(msgspec.Struct):
    """One message as the reader saw it."""

    data: str
    id: str | None = None
    event: str = "message"


class EventReader:
    """Turns the bytes of a stream into events, wherever the reads are cut.

    Lines may end in LF, CR LF or CR; a CR at the end of a read waits for the next
    one, since its LF may still come.

    Raises:
        ValueError: from ``feed``, when one event is larger than 8 MiB.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._held = b""

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """Take a chunk, yield the events that it completes."""
        if b"\r" in chunk or self._held:
            chunk = self._with_plain_ends(chunk)
        self._buffer += chunk
        while (end := self._buffer.find(b"\n\n")) >= 0:
            block, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
            event = _parsed(block)
            if event is not None:
                yield event
        if len(self._buffer) > _EVENT_BYTES_MAX:
            raise ValueError(f"an event is longer than {_EVENT_BYTES_MAX} bytes")

    def _with_plain_ends(self, chunk: bytes) -> bytes:
        chunk = self._held + chunk
        self._held = b"\r" if chunk.endswith(b"\r") else b""
        chunk = chunk[: len(chunk) - len(self._held)]
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _parsed(block: bytes) -> ServerEvent | None:
    data: list[str] = []
    event_id: str | None = None
    name = "message"
    for line in block.decode("utf-8", errors="replace").split("\n"):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                data.append(value)
            case "id":
                event_id = value
            case "event":
                name = value
            case _:  # comments (an empty field name) and fields we do not use
                pass
    if not data:
        return None
    return ServerEvent(data="\n".join(data), id=event_id, event=name)
