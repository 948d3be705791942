"""What opens above the table: details, a log, a question, the keys."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, RichLog, Static

from rbee.errors import RbeeError
from rbee.keeper.problem_text import render_problem
from rbee.keeper.top.details import Fields

_LINES_KEPT: Final = 5000  # of a log that is followed: minutes of a busy worker

KEYS: Final = (
    ("1 2 3 4 5", "hives, GPUs, workers, models, requests"),
    ("tab, shift+tab", "the next tab, the last one"),
    ("↑ ↓ PgUp PgDn Home End", "move; j and k do too"),
    ("enter", "details of the row; for a request, why it went where it went"),
    ("/", "filter: words that a row must hold, or status:error"),
    ("s, S", "sort by the next column; the other way round"),
    ("l, L", "the log of a worker or hive; the queen's log"),
    ("r", "restart the worker"),
    ("x", "stop the worker, or cancel the request; asks first"),
    ("space", "pause and go on"),
    ("esc", "close what is open; clear the filter"),
    ("q, ctrl+c", "quit"),
)


class DetailScreen(ModalScreen[None]):
    """All fields of a row, kept up to date while it is open."""

    BINDINGS = [Binding("escape,enter,q", "dismiss", "Close")]  # noqa: RUF012  Textual's way

    def __init__(self, title: str, fields: Callable[[], Fields]) -> None:
        """``fields`` is asked again once a second."""
        super().__init__()
        self._title = title
        self._fields = fields

    def compose(self) -> ComposeResult:
        """A box that scrolls."""
        with VerticalScroll(id="box") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "esc closes"
            yield Static(id="fields")

    def on_mount(self) -> None:
        """Show it now and each second."""
        self.query_one("#box").focus()
        self._show()
        self.set_interval(1.0, self._show)

    def _show(self) -> None:
        fields = self._fields() or [("", "It is gone.")]
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in fields:
            grid.add_row(Text(name), Text(value))
        self.query_one("#fields", Static).update(grid)


class LogScreen(ModalScreen[None]):
    """A log that goes on; ``f`` stops and starts the following, ``/`` filters."""

    BINDINGS = [  # noqa: RUF012  Textual's way
        Binding("escape,q", "close", "Close"),
        Binding("f,space", "follow", "Follow"),
        Binding("slash", "filter", "Filter"),
    ]

    def __init__(self, title: str, lines: AsyncGenerator[str]) -> None:
        """``lines`` is read until the screen is closed."""
        super().__init__()
        self._title = title
        self._source = lines
        self._kept: deque[str] = deque(maxlen=_LINES_KEPT)
        self._words = ""

    def compose(self) -> ComposeResult:
        """A box with the lines, and the filter below it."""
        with Vertical(id="log") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "esc closes · f follows · / filters"
            log = RichLog(max_lines=_LINES_KEPT, wrap=True, auto_scroll=True, min_width=20)
            yield log
            field = Input(placeholder="only lines with …", id="log-filter")
            field.display = False
            yield field

    def on_mount(self) -> None:
        """Begin to read."""
        self.query_one(RichLog).focus()
        self.run_worker(self._read(), exclusive=True)

    async def _read(self) -> None:
        try:
            async with aclosing(self._source) as lines:
                async for line in lines:
                    self._kept.append(line)
                    if self._words in line.casefold():
                        self.query_one(RichLog).write(Text(line))
        except RbeeError as error:
            self.query_one(RichLog).write(Text(render_problem(error)))

    def action_close(self) -> None:
        """The filter first, then the screen."""
        field = self.query_one(Input)
        if field.has_focus:
            field.value, field.display = "", False
            self.query_one(RichLog).focus()
        else:
            self.dismiss()

    def action_follow(self) -> None:
        """Stay at the end, or where one reads."""
        log = self.query_one(RichLog)
        log.auto_scroll = not log.auto_scroll
        if log.auto_scroll:
            log.scroll_end(animate=False)

    def action_filter(self) -> None:
        """Write a filter."""
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the lines that hold it."""
        self._words = event.value.casefold()
        log = self.query_one(RichLog)
        log.clear()
        for line in self._kept:
            if self._words in line.casefold():
                log.write(Text(line))

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Back to the lines."""
        self.query_one(RichLog).focus()


class ConfirmScreen(ModalScreen[bool]):
    """A question whose answer is yes only by ``y``."""

    BINDINGS = [  # noqa: RUF012  Textual's way
        Binding("y", "dismiss(True)", "Yes"),
        Binding("n,escape,q,enter", "dismiss(False)", "No"),
    ]

    def __init__(self, question: str, consequence: str) -> None:
        """What would be done, and what follows from it."""
        super().__init__()
        self._question = question
        self._consequence = consequence

    def compose(self) -> ComposeResult:
        """The question and the two keys."""
        with Vertical(id="confirm"):
            yield Static(Text(self._question, style="bold"))
            yield Static(Text(self._consequence))
            yield Static(Text.assemble(("y", "bold"), " yes   ", ("n", "bold"), " no"))


class HelpScreen(ModalScreen[None]):
    """All keys."""

    BINDINGS = [Binding("escape,enter,q,question_mark", "dismiss", "Close")]  # noqa: RUF012  as above

    def compose(self) -> ComposeResult:
        """A box with the keys."""
        with VerticalScroll(id="box") as box:
            box.border_title = "Keys"
            box.border_subtitle = "esc closes"
            yield Static(_two_columns(KEYS))


def _two_columns(rows: Sequence[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, text in rows:
        grid.add_row(key, text)
    return grid
