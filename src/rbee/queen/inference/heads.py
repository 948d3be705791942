"""The heads of workers' answers: read with all of HTTP's rules, once for each that differs.

An engine says the same head again and again, but for its Content-Length. So a head
that was read is kept under its bytes without that line, and the next one like it
costs a look-up.
"""

import re
from http import HTTPStatus
from typing import Final

import httptools

from rbee.errors import WorkerFailed
from rbee.foundation.http.exchange import EVENT_STREAM

HEAD_BYTES_MAX: Final = 64 * 1024  # an engine's head has ten lines

_KEPT_MAX: Final = 256  # a head with a date is new each second: minutes of a few engines
_KEPT_BYTES_MAX: Final = 2048  # an engine's own head has 300; what is longer is made to fill us
_LENGTH_LINE: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (\d{1,12})(?=\r\n)")

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
    }
)
_WORKERS_OWN: Final = frozenset({b"server", b"date", b"set-cookie"})


class AnswerHead:
    """What a head says, its Content-Length aside. ``headers`` are those for the client.

    ``all_headers`` has every line, by lower-case name, for the framing's own rules.
    """

    __slots__ = ("all_headers", "headers", "is_event_stream", "keep_alive", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.all_headers: list[tuple[bytes, bytes]] = []
        self.is_event_stream = False
        self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Httptools tells a line; framing and the worker's own headers stay here."""
        name = name.lower()
        self.all_headers.append((name, value))
        if name == b"content-type":
            self.is_event_stream = value.startswith(EVENT_STREAM)
        if name in _HOP_BY_HOP or name in _WORKERS_OWN or name.startswith(b"access-control-"):
            return
        self.headers.append((name, value))


_kept: dict[bytes, AnswerHead] = {}


def read_head(data: bytes) -> tuple[AnswerHead, int | None]:
    """A head, up to and with its blank line, and the Content-Length of a plain one.

    The length is null where the head says none, or more than one thing about it: then
    ``framing_of(head.all_headers)`` judges.

    Raises:
        WorkerFailed: it is not valid HTTP.
    """
    line = _LENGTH_LINE.search(data)
    key = data if line is None else data[: line.start()] + data[line.end() :]
    head = _kept.get(key)
    if head is None:
        head = AnswerHead()
        parser = httptools.HttpResponseParser(head)
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise WorkerFailed(f"The worker's answer is not valid HTTP: {error}.") from None
        head.status = parser.get_status_code()
        head.keep_alive = parser.should_keep_alive()
        framings = [n for n, _ in head.all_headers if n in _FRAMINGS]
        if len(framings) > 1 or len(data) > _KEPT_BYTES_MAX or head.status != HTTPStatus.OK:
            # The length of another status is read from ``all_headers``: never from a kept head.
            return head, None
        if len(_kept) >= _KEPT_MAX:
            _kept.clear()
        _kept[key] = head
    return head, None if line is None else int(line[1])


_FRAMINGS: Final = frozenset({b"content-length", b"transfer-encoding"})
