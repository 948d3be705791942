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
    """A table on stdout; states have their colours, long cells fold."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console().print(table)


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
