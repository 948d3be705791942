"""What is drawn on a terminal, with rich: tables, and the line that moves.

``screen`` imports this only when there is a terminal to draw on, because rich
takes 50 ms to load.
"""

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

_ECHO_WIDTH = 3  # "^C" and the cursor
_BAR_WIDTH = 20  # leaves 55 of 80 columns for the words

_GAP = 2  # blanks between two columns
_FOLDED_MIN = 24  # narrower, a sentence becomes a tower of words
_FIELD_AND_VALUE = 2  # a table of two columns is a list of fields already

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


def draw_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout as wide as the terminal allows; states have their colours.

    Only the last column folds, which holds the words where there are any: half an id in
    each of two lines can be neither read nor copied. Where that is not enough, each row
    is written below the other, field by field.
    """
    console = Console()
    if _narrowest(headings, rows) > console.width and len(headings) > _FIELD_AND_VALUE:
        _draw_fields(console, headings, rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for heading in headings[:-1]:
        table.add_column(heading, no_wrap=True)
    table.add_column(headings[-1], overflow="fold")
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    console.print(table)


def _narrowest(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """The least columns of a terminal in which a table reads well."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return sum(widths[:-1]) + min(widths[-1], _FOLDED_MIN) + _GAP * (len(widths) - 1)


def _draw_fields(console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(rows):
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        for heading, cell in zip(headings, row, strict=True):
            if cell:
                grid.add_row(Text(heading, style="bold"), _cell(cell))
        if number:
            console.print()
        console.print(grid)


def _cell(text: str) -> Text:
    return Text(text, style=_STYLES.get(text, ""), overflow="fold")


class MovingLine:
    """A spinner, a bar where the end is known, and words; on stderr, gone when stopped."""

    def __init__(self) -> None:
        self._terminal = Console(stderr=True)  # only measured
        self._console = Console(stderr=True)
        self._fit_width()
        self._progress = Progress(
            SpinnerColumn(),
            _DownloadBar(),
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis"),
            ),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None)
        self._progress.start()

    def show(self, text: str, done: float | None = None, total: float | None = None) -> None:
        """Change the words, and how far it is of ``total``."""
        self._fit_width()
        task = self.shown[0]
        if task.finished:
            self._progress.reset(self._task)  # a download is over, the next step begins
        task.total = total  # update() takes None for "unchanged"
        self._progress.update(self._task, description=text, completed=done or 0)

    def _fit_width(self) -> None:
        """A full line would wrap when the terminal echoes ``^C``, and half of it would stay."""
        if (columns := self._terminal.width) > _ECHO_WIDTH:
            self._console.width = columns - _ECHO_WIDTH

    @property
    def shown(self) -> list[Task]:
        """What stands there now, as rich holds it."""
        return self._progress.tasks

    def stop(self) -> None:
        """Take the line away."""
        self._progress.stop()


class _DownloadBar(ProgressColumn):
    def render(self, task: Task) -> RenderableType:
        """A bar where the end is known, nothing where it is not."""
        if not task.total:
            return ""
        return ProgressBar(total=task.total, completed=task.completed, width=_BAR_WIDTH)
