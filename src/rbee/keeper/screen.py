"""What a person sees: stdout for answers, stderr for everything else.

The rule: stdout carries only what was asked for (text, a table, JSON), so that
it can be piped. On a terminal, waiting is shown by one line that moves and then
disappears; elsewhere by plain lines, one per change. rich is loaded only when
something is drawn on a terminal.
"""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import msgspec

from rbee.contracts.models import DownloadProgress
from rbee.keeper.units import duration_text, percent_text, rate_text, size_text

if TYPE_CHECKING:  # rich takes 50 ms to load; most commands draw nothing with it
    from rich.progress import Progress, TaskID

_PLAIN_EVERY_S = 5.0  # a log of a long download should be short
_COLUMN_GAP = "  "
_BAR_WIDTH = 20  # leaves 55 of 80 columns for the words


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
    from rich.console import Console  # noqa: PLC0415  see the module's docstring
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    Console().print(table)


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
    """``downloading X: 45 %, 47 MB of 105 MB, 12 MB/s, 5 s left``."""
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
        self._bar: Progress | None = None
        self._task: TaskID | None = None

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
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
        self._said = ""

    def _draw(self, text: str, done: float | None = None, total: float | None = None) -> None:
        if self._bar is None:
            self._bar = _new_bar()
            self._task = self._bar.add_task("", total=None)
            self._bar.start()
        changes: dict[str, Any] = {"description": text, "total": total, "visible": True}
        if done is not None:
            changes["completed"] = done
        assert self._task is not None  # noqa: S101  made together with the bar
        self._bar.update(self._task, **changes)


def _new_bar() -> "Progress":
    # See the module's docstring for why rich is imported here.
    from rich.console import Console, RenderableType  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
    )
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Column  # noqa: PLC0415

    class DownloadBar(ProgressColumn):
        """A bar where the end is known, nothing where it is not."""

        def render(self, task: Task) -> RenderableType:
            if not task.total:
                return ""
            return ProgressBar(total=task.total, completed=task.completed, width=_BAR_WIDTH)

    return Progress(
        SpinnerColumn(),
        DownloadBar(),
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis"),
        ),
        console=Console(stderr=True),
        transient=True,
    )


_STYLES = {
    "ready": "green",
    "ok": "green",
    "up": "green",
    "available": "green",
    "busy": "cyan",
    "warn": "yellow",
    "starting": "yellow",
    "degraded": "yellow",
    "draining": "yellow",
    "error": "red",
    "fail": "red",
    "down": "red",
    "corrupt": "red",
}


def _style(cell: str) -> str:
    return _STYLES.get(cell, "")
