"""What a person sees: stdout for answers, stderr for everything else.

The rule: stdout carries only what was asked for (text, a table, JSON), so that
it can be piped. On a terminal, waiting is shown by one line that moves and then
disappears; elsewhere by plain lines, one per change. rich is loaded only when
something is drawn on a terminal.
"""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import msgspec

from rbee.contracts.models import DownloadProgress
from rbee.keeper.units import duration_text, percent_text, rate_text, size_text

if TYPE_CHECKING:  # rich takes 50 ms to load; most commands draw nothing with it
    from rbee.keeper.drawing import MovingLine

_PLAIN_EVERY_S = 5.0  # a log of a long download should be short
_COLUMN_GAP = "  "
_AFTER = {"verify": "all is here, checking it", "install": "checked, putting it in its place"}


def out(text: str, *, end: str = "\n") -> None:
    """What was asked for, on stdout, at once."""
    print(text, end=end, flush=True)


def out_json(value: object) -> None:
    """A value as indented JSON on stdout; the shape is part of the interface."""
    out(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def note(text: str, *, end: str = "\n") -> None:
    """Anything else, on stderr."""
    print(text, file=sys.stderr, end=end, flush=True)


def out_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """A table on stdout: drawn on a terminal, plain and aligned in a pipe."""
    if not rows:
        note(empty)
        return
    if not sys.stdout.isatty():
        out(plain_table(headings, rows))
        return
    from rbee.keeper.drawing import draw_table  # noqa: PLC0415  loads rich: 50 ms

    draw_table(headings, rows)


def plain_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two blanks apart, nothing cut."""
    lines = [tuple(heading.upper() for heading in headings), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        _COLUMN_GAP.join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def progress_text(what: str, progress: DownloadProgress) -> str:
    """``downloading X: 45 %, 47 MB of 105 MB, 12 MB/s, 5 s left``; what comes after, in a word."""
    if progress.phase != "download":  # what has come is checked or unpacked, and counted anew
        return f"{what}: {_AFTER[progress.phase]}"
    parts = [size_text(progress.bytes)]
    if progress.total:
        parts = [
            percent_text(progress.bytes, progress.total),
            f"{size_text(progress.bytes)} of {size_text(progress.total)}",
        ]
    if progress.rate_bytes_s:
        parts.append(rate_text(progress.rate_bytes_s))
    if progress.eta_s:
        parts.append(f"{duration_text(progress.eta_s)} left")
    return f"{what}: {', '.join(parts)}"


class Live:
    """One line on stderr that says what is going on. Use as a context manager.

    ``say`` names the step, ``progress`` draws a download. On a terminal the line
    moves and vanishes at the end; elsewhere each new step is a line of its own,
    and a download speaks up every five seconds. ``quiet`` shows nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._drawn = not quiet and sys.stderr.isatty()
        self._said = ""
        self._spoke_at = 0.0
        self._line: MovingLine | None = None

    def __enter__(self) -> Self:
        """Nothing is drawn until something is said."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Clear the line."""
        self.clear()

    def say(self, text: str) -> None:
        """Name the step that is going on."""
        if self._quiet or text == self._said:
            return
        self._said = text
        if self._drawn:
            self._draw(text)
        else:
            note(text)

    def progress(self, what: str, progress: DownloadProgress) -> None:
        """Show how far a download is."""
        if self._quiet:
            return
        if self._drawn:
            self._draw(progress_text(what, progress), progress.bytes, progress.total)
            return
        now = time.monotonic()
        done = progress.total is not None and progress.bytes >= progress.total
        if done or not self._said.startswith(what) or now - self._spoke_at >= _PLAIN_EVERY_S:
            self._spoke_at = now
            self.say(progress_text(what, progress))

    def clear(self) -> None:
        """Take the line away, as before the first word of an answer."""
        if self._line is not None:
            self._line.stop()
            self._line = None
        self._said = ""

    def _draw(self, text: str, done: float | None = None, total: float | None = None) -> None:
        if self._line is None:
            from rbee.keeper.drawing import MovingLine  # noqa: PLC0415  loads rich: 50 ms

            self._line = MovingLine()
        self._line.show(text, done, total)
