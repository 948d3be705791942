"""The last lines of this process's own log, kept in memory for whoever looks from elsewhere.

A daemon may write its log to a file, a journal or a container's pipe: what all of them have
in common is this process. ``Tee`` stands where stderr stood and keeps a copy of each whole
line, after secrets were taken out (``foundation.logs``). Lines are numbered from 1.
"""

import re
import threading
from collections import deque
from typing import Final, NamedTuple, TextIO

LINES_KEPT: Final = 5_000  # a day of a quiet daemon, 1 MB at most as the next line says
LINE_CHARS_MAX: Final = 2_000  # a traceback's line is 200; what is longer is no log line of ours

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class LogLine(NamedTuple):
    """A line and its number."""

    number: int
    text: str


class LogRing:
    """The newest lines; written by any thread, read by the event loop."""

    def __init__(self, lines_max: int = LINES_KEPT) -> None:
        """Empty."""
        self._lines: deque[LogLine] = deque(maxlen=lines_max)
        self._last = 0
        self._lock = threading.Lock()  # a logger is called from threads, and has no loop

    @property
    def last(self) -> int:
        """The number of the newest line; 0 before the first."""
        return self._last

    def take(self, text: str) -> None:
        """Keep one line."""
        with self._lock:
            self._last += 1
            self._lines.append(LogLine(self._last, _COLOURS.sub("", text)[:LINE_CHARS_MAX]))

    def tail(self, lines: int) -> list[LogLine]:
        """The newest ``lines`` of them, oldest first."""
        with self._lock:
            return list(self._lines)[-lines:] if lines > 0 else []

    def after(self, number: int) -> list[LogLine]:
        """Those after a number; of another life's number, all."""
        with self._lock:
            if number > self._last:
                return list(self._lines)
            missing = self._last - number
            return list(self._lines)[-missing:] if missing else []


class Tee:
    """A text stream that writes to another one, and its whole lines to a ring."""

    def __init__(self, stream: TextIO, ring: LogRing) -> None:
        """``stream`` stays whoever's it is."""
        self._stream = stream
        self._ring = ring
        self._begun = ""
        self._lock = threading.Lock()  # two loggers of two threads may share it

    def write(self, text: str) -> int:
        """Pass it on, and keep what has become a line."""
        written = self._stream.write(text)
        with self._lock:
            *whole, begun = (self._begun + text).split("\n")
            self._begun = begun[:LINE_CHARS_MAX]  # no more of it would be kept
        for line in whole:
            if line:
                self._ring.take(line)
        return written

    def flush(self) -> None:
        """Pass it on."""
        self._stream.flush()

    def isatty(self) -> bool:
        """As the stream."""
        return self._stream.isatty()


OWN: Final = LogRing()
"""This process's ring: ``logs.set_up`` fills it, ``http.log_api`` serves it."""
