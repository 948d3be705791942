"""How many requests a process has begun, read from its own log.

llama.cpp's server tells tokens and steps in its metrics, and no requests. It says
one line at the start of each, in the log that the hive keeps for it: those are
counted, from the line that parts its words from an earlier process's. The rule: a
count that may miss some is not told. ``tasks`` looks once a second.
"""

from pathlib import Path
from typing import Final

from rbee.hive.workers.logs import GENERATION_MARK, ROTATED_SUFFIX

READ_BYTES_MAX: Final = 4 * 1024 * 1024  # of one look; a second of a busy worker is some 100 kB


class RequestCount:
    """The count of one process. Blocking; a look reads what was written since the last."""

    def __init__(self, log: Path, mark: bytes) -> None:
        """``mark`` is in one line of each request and in no other."""
        self._log = log
        self._mark = mark
        self._offset = 0
        self._torn = b""
        self._count: int | None = None
        """None: not known, for the beginning of its words was not seen."""

    def look(self) -> int | None:
        """Requests since the process began; None when some may have been missed."""
        try:
            size = self._log.stat().st_size
            if size < self._offset:  # copied away and emptied since the last look
                rotated = self._log.with_name(self._log.name + ROTATED_SUFFIX)
                self._read(rotated, rotated.stat().st_size)
                self._offset, self._torn = 0, b""
            self._read(self._log, size)
        except OSError:
            self._count = None
        return self._count

    def _read(self, path: Path, end: int) -> None:
        if end - self._offset > READ_BYTES_MAX:  # only a log without its beginning is so long
            self._offset, self._torn, self._count = end, b"", None
            return
        with path.open("rb") as file:
            file.seek(self._offset)
            content = file.read(end - self._offset)
        self._offset += len(content)
        *lines, self._torn = (self._torn + content).split(b"\n")
        for line in lines:
            if line.startswith(GENERATION_MARK):
                self._count = 0
            elif self._count is not None and self._mark in line:
                self._count += 1
