"""A worker's log: where its engine's stdout and stderr go, and how they are read.

The engine appends to the file itself (``O_APPEND``), so its words survive the
death of hive and shim. Rotation copies and empties the file in place: the writer
keeps its descriptor and never notices. What is written between copy and emptying
(microseconds, at most every ten seconds) is lost. On Windows an open file cannot
be emptied under its writer: there it is rotated only between two processes.
"""

import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import anyio

from rbee.foundation.sse import KEEP_ALIVE_EVERY_S

LOG_FILE = "worker.log"
ROTATED_SUFFIX = ".1"
LINES_DEFAULT = 200  # a screen or three
LINES_MAX = 100_000  # the whole of both files
TAIL_BYTES_MAX = 16 * 1024 * 1024  # both files at their usual limits
FOLLOW_EVERY_S = 0.2  # as fast as a person reads
_REASON_LINES = 400  # an engine says its reason in its last screen, not on the first
_REASON_LENGTH_MAX = 400  # one readable sentence
_OURS = "rbee worker: "
GENERATION_MARK = b"--- generation "


def log_path(directory: Path) -> Path:
    """The log of the worker that owns ``directory``."""
    return directory / LOG_FILE


def rotate(path: Path, *, bytes_max: int, running: bool) -> bool:
    """Rotate when the file is over its limit; whether it was.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    try:
        size = path.stat().st_size
    except OSError:
        return False
    if size <= bytes_max or (running and sys.platform == "win32"):
        return False
    rotated = path.with_name(path.name + ROTATED_SUFFIX)
    if not running:
        path.replace(rotated)
        return True
    try:
        shutil.copyfile(path, rotated)
    finally:
        # Emptied even when the copy failed: a log must not fill the disk further.
        with path.open("r+b") as file:
            file.truncate(0)
    return True


class Tail(NamedTuple):
    """The last lines, and the byte after them: where ``follow`` goes on."""

    lines: list[str]
    offset: int


def tail(path: Path, lines: int = LINES_DEFAULT) -> list[str]:
    """The last lines, from the rotated file too when the current one has fewer."""
    return tail_at(path, lines).lines


def tail_at(path: Path, lines: int = LINES_DEFAULT) -> Tail:
    """As ``tail``, with where the log ended when it was read."""
    wanted = max(0, min(lines, LINES_MAX))
    size = size_of(path)
    if wanted == 0:
        return Tail([], size)
    found = _lines(path, size)
    if len(found) < wanted:
        rotated = path.with_name(path.name + ROTATED_SUFFIX)
        found = _lines(rotated, size_of(rotated)) + found
    return Tail(found[-wanted:], size)


class Line(NamedTuple):
    """A followed line; ``text`` is null for a silence long enough for a keep-alive."""

    text: str | None
    offset: int


async def follow(path: Path, offset: int) -> AsyncIterator[Line]:
    """New lines from ``offset`` on, for ever; a rotation starts again at 0."""
    pending = b""
    silent_s = 0.0
    while True:
        size = size_of(path)
        if size < offset:
            offset, pending = 0, b""
        if size > offset:
            chunk = _read_from(path, offset)
            at = offset - len(pending)
            offset += len(chunk)
            silent_s = 0.0
            *whole, pending = (pending + chunk).split(b"\n")
            for line in whole:
                at += len(line) + 1
                yield Line(line.decode("utf-8", errors="replace"), at)
        else:
            await anyio.sleep(FOLLOW_EVERY_S)
            silent_s += FOLLOW_EVERY_S
            if silent_s >= KEEP_ALIVE_EVERY_S:
                silent_s = 0.0
                yield Line(None, offset - len(pending))


def size_of(path: Path) -> int:
    """The current length in bytes, where ``follow`` begins."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def last_words(path: Path) -> str | None:
    """Why the worker ended, in its own words; None when it said nothing.

    Our worker says its reason in one marked line; any other engine's last line
    has to do.
    """
    last: str | None = None
    for line in reversed(tail(path, _REASON_LINES)):
        words = line.strip()
        if words.startswith(GENERATION_MARK.decode()):
            break  # what an earlier process said explains nothing
        if words.startswith(_OURS):
            return words.removeprefix(_OURS)[:_REASON_LENGTH_MAX]
        last = last or words or None
    return last[:_REASON_LENGTH_MAX] if last else None


def mark_generation(path: Path, generation: int) -> None:
    """Write a line that parts one process's words from the last one's.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    with path.open("ab") as file:
        file.write(GENERATION_MARK + f"{generation} ---\n".encode())
        path.chmod(0o600)


def _lines(path: Path, size: int) -> list[str]:
    """The lines of the file as it was when it had ``size`` bytes."""
    try:
        content = _read_from(path, max(0, size - TAIL_BYTES_MAX))[: min(size, TAIL_BYTES_MAX)]
    except OSError:
        return []
    return content.decode("utf-8", errors="replace").splitlines()


def _read_from(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(TAIL_BYTES_MAX)
