"""The program behind ``rbee top``: tabs over tables that the queen's stream keeps up to date.

One task reads the stream (``StateFeed``); once a second, and at once after a key, what is
shown is made anew from the tables. Nothing else holds state, so a lost connection shows
old figures and their age, and a new one goes on.
"""

import time
from collections import deque
from typing import ClassVar, Final
from urllib.parse import urlsplit

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Click
from textual.widgets import Input, Static

from rbee.client.logs import QUEEN_LOG_PATH, followed, hive_log_path, worker_log_path
from rbee.client.queen import QueenClient
from rbee.client.state import STALE_S, StateFeed
from rbee.errors import RbeeError
from rbee.keeper.problem_text import render_problem
from rbee.keeper.top import acting, heading
from rbee.keeper.top.details import Fields, fields_of, why_fields
from rbee.keeper.top.lines import matching, ordered
from rbee.keeper.top.look import CSS
from rbee.keeper.top.screens import ConfirmScreen, DetailScreen, HelpScreen, LogScreen
from rbee.keeper.top.table import RowTable
from rbee.keeper.top.tabs import TABS, Tab

LOG_LINES: Final = 500  # of a log at its opening: a few screens to scroll back
_SILENT_S: Final = 1.5  # the queen speaks once a second
_KEYS_HINT: Final = (
    "/ filter  s sort  enter details  l log  r restart  x stop  space pause  ? keys  q quit"
)


class TopApp(App[None]):
    """Shows the colony behind ``client`` until it is quit.

    ``failure`` is the error that ended it, if one did: the queen refuses for good.
    """

    CSS = CSS
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(n + 1), f"tab({n})", tab.title, show=False) for n, tab in enumerate(TABS)),
        Binding("tab", "step_tab(1)", "Next tab", show=False, priority=True),
        Binding("shift+tab", "step_tab(-1)", "Last tab", show=False, priority=True),
        Binding("slash", "filter", "Filter"),
        Binding("s", "sort(1)", "Sort"),
        Binding("S", "sort(0)", "Turn"),
        Binding("l", "log", "Log"),
        Binding("L", "queen_log", "Queen's log"),
        Binding("r", "restart", "Restart"),
        Binding("x", "stop", "Stop"),
        Binding("space", "pause", "Pause"),
        Binding("question_mark", "keys", "Keys"),
        Binding("escape", "clear", "Clear", show=False),
        Binding("q,ctrl+c", "quit", "Quit", priority=False),
    ]

    def __init__(self, client: QueenClient) -> None:
        """Nothing is asked before it runs."""
        super().__init__()
        self.theme = "ansi-dark"  # the terminal's own palette, dark or light
        self.feed = StateFeed(client.transport)
        self.failure: RbeeError | None = None
        self._client = client
        self._host = urlsplit(client.transport.base_url).netloc
        self._tab = 0
        self._sorts = [(_index(tab, tab.sort), False) for tab in TABS]
        self._words = [""] * len(TABS)
        self._speeds: deque[float] = deque(maxlen=heading.SPARK_MAX)
        self._paused_at: float | None = None
        self._drawn_at = 0.0

    # ── the screen ───────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Two lines of figures, the tabs, the table, the keys."""
        with Horizontal(id="head"):
            yield Static(id="summary")
            yield Static(id="standing")
        yield Static(id="load")
        yield Static(id="tabs")
        yield RowTable(id="rows")
        yield Static(id="empty")
        yield Input(placeholder="words, or status:error", id="filter", select_on_focus=False)
        yield Static(Text(_KEYS_HINT, style="dim", no_wrap=True, overflow="ellipsis"), id="keys")

    def on_mount(self) -> None:
        """Begin to listen, and to draw."""
        self.title = f"rbee top {self._host}"
        self._rows.focus()
        self.run_worker(self._listen())
        self.set_interval(1.0, self._tick)
        self._draw()

    async def _listen(self) -> None:
        try:
            await self.feed.run(self._told)
        except RbeeError as error:
            self.failure = error
            self.exit()

    def _told(self, changed: frozenset[str]) -> None:
        if "colony" in changed:
            speed = self.feed.tables["colony"].get("queen", {}).get("tokens_per_s")
            self._speeds.append(speed or 0.0)
        if changed and self._paused_at is None:
            self.call_later(self._draw)

    def _tick(self) -> None:
        if self._is_there():
            self._draw_head()
            if self._paused_at is None:
                self._draw_rows()

    def _draw(self) -> None:
        if self._is_there():
            self._draw_head()
            self._draw_rows()

    def _is_there(self) -> bool:
        """Whether there is a screen to draw on: when the program ends, its parts go first."""
        return bool(self.screen_stack and self.screen_stack[0].query("#keys"))

    def _draw_head(self) -> None:
        paused_s = None if self._paused_at is None else time.monotonic() - self._paused_at
        base = self.screen_stack[0]
        base.query_one("#summary", Static).update(heading.summary(self.feed.tables, self._host))
        base.query_one("#standing", Static).update(heading.standing(self.feed, paused_s))
        load = heading.load(self.feed.tables, list(self._speeds), self.size.width)
        base.query_one("#load", Static).update(load)
        base.query_one("#tabs", Static).update(self._tab_line())

    def _tab_line(self) -> Text:
        text = Text(no_wrap=True)
        for number, tab in enumerate(TABS):
            chosen = number == self._tab
            text.append(f" {number + 1} {tab.title} ", "black on yellow" if chosen else "")
            text.append(" ")
        if self._words[self._tab]:
            text.append(f" filter: {self._words[self._tab]}", "italic")
        return text

    def _draw_rows(self) -> None:
        tab, (sort, reverse) = TABS[self._tab], self._sorts[self._tab]
        every = tab.lines(self.feed.tables, self.feed.now)
        lines = ordered(matching(every, tab.columns, self._words[self._tab]), sort, reverse=reverse)
        rows, empty = self._rows, self.screen_stack[0].query_one("#empty", Static)
        rows.faded = (self.feed.age_s or 0.0) > STALE_S
        rows.show(tab.columns, lines, sort=(sort, reverse))
        rows.display, empty.display = bool(lines), not lines
        if not lines:
            empty.update(Text(self._nothing(tab, len(every))))

    def _nothing(self, tab: Tab, total: int) -> str:
        if self.feed.tables.at is None:
            return "Waiting for the queen …"
        if total:
            return f"None of {total} holds {self._words[self._tab]!r}. esc clears the filter."
        return tab.empty

    @property
    def _rows(self) -> RowTable:
        return self.screen_stack[0].query_one(RowTable)

    # ── looking ──────────────────────────────────────────────────────────────

    def action_tab(self, number: int) -> None:
        """Show another tab."""
        if number != self._tab:
            self._tab = number
            self._rows.start_over()
            self.screen_stack[0].query_one("#filter", Input).value = self._words[number]
        self._draw()

    def action_step_tab(self, by: int) -> None:
        """Show the next tab."""
        self.action_tab((self._tab + by) % len(TABS))

    def action_sort(self, by: int) -> None:
        """Sort by the next column that is shown, or turn the order round."""
        sort, reverse = self._sorts[self._tab]
        if by:
            shown = self._rows.shown_columns or [sort]
            at = shown.index(sort) if sort in shown else -1
            sort, reverse = shown[(at + by) % len(shown)], False
            reverse = TABS[self._tab].columns[sort].right  # of figures the largest first
        else:
            reverse = not reverse
        self._sorts[self._tab] = (sort, reverse)
        self._draw()

    def on_row_table_sorted(self, message: RowTable.Sorted) -> None:
        """A head was clicked: sort by it, or turn it round."""
        sort, reverse = self._sorts[self._tab]
        right = TABS[self._tab].columns[message.index].right
        self._sorts[self._tab] = (message.index, not reverse if sort == message.index else right)
        self._draw()

    def on_click(self, event: Click) -> None:
        """A click on a tab opens it."""
        if event.widget is None or event.widget.id != "tabs":
            return
        x = event.x - 1
        for number, tab in enumerate(TABS):
            x -= len(tab.title) + 5
            if x < 0:
                self.action_tab(number)
                return

    def action_filter(self) -> None:
        """Write a filter."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is written."""
        if event.input.id == "filter":
            self._words[self._tab] = event.value
            self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, back to the rows."""
        if event.input.id == "filter":
            self._leave_filter()

    def action_clear(self) -> None:
        """Take the filter away."""
        self.query_one("#filter", Input).value = ""
        self._leave_filter()

    def _leave_filter(self) -> None:
        self.query_one("#filter", Input).display = False
        self._rows.focus()
        self._draw()

    def action_pause(self) -> None:
        """Hold what is shown still, or go on."""
        self._paused_at = time.monotonic() if self._paused_at is None else None
        self._draw()

    def action_keys(self) -> None:
        """Show all keys."""
        self.push_screen(HelpScreen())

    def on_row_table_chosen(self, message: RowTable.Chosen) -> None:
        """Show all of a row; of a request also why it went where it went."""
        tab, key = TABS[self._tab].name, message.key
        told: Fields = []

        def fields() -> Fields:
            return fields_of(tab, key, self.feed.tables, self.feed.now) + told

        self.push_screen(DetailScreen(key, fields))
        if tab == "requests":
            self.run_worker(self._ask_why(key, told))

    async def _ask_why(self, job_id: str, told: Fields) -> None:
        try:
            told += why_fields(await self._client.why(job_id))
        except RbeeError as error:
            told += [("", ""), ("why", error.message)]

    # ── logs ─────────────────────────────────────────────────────────────────

    def action_log(self) -> None:
        """The log of the row's worker or hive."""
        key, tab = self._rows.key, TABS[self._tab].name
        tables = self.feed.tables
        if key is None or tab == "models":
            self.notify("A model has no log: choose one of its workers (3).")
            return
        worker_id = tables["requests"].get(key, {}).get("worker_id") if tab == "requests" else key
        worker = tables["workers"].get(worker_id or "")
        if tab in {"hives", "gpus"}:
            hive_id = key.partition("/")[0]
            self._open_log(f"hive {hive_id}", hive_log_path(hive_id))
        elif worker is None or worker_id is None:
            self.notify("Its worker is gone.")
        else:
            self._open_log(worker_id, worker_log_path(worker["hive_id"], worker_id))

    def action_queen_log(self) -> None:
        """The queen's own log."""
        self._open_log("queen", QUEEN_LOG_PATH)

    def _open_log(self, title: str, path: str) -> None:
        self.push_screen(LogScreen(title, followed(self._client.transport, path, LOG_LINES)))

    # ── acting ───────────────────────────────────────────────────────────────

    def action_restart(self) -> None:
        """Restart the worker under the cursor."""
        if (worker_id := self._chosen_worker("restarted")) is not None:
            self._ask(
                f"Restart {worker_id}?",
                "Its running requests finish first; its model is loaded again.",
                lambda: acting.restart_worker(self._client, self.feed.tables, worker_id),
            )

    def action_stop(self) -> None:
        """Stop the worker, or cancel the request, under the cursor."""
        key = self._rows.key
        if TABS[self._tab].name == "requests" and key is not None:
            self._ask(
                f"Cancel {key}?",
                "Its client is told that an operator cancelled it.",
                lambda: acting.cancel_request(self._client, key),
            )
        elif (worker_id := self._chosen_worker("stopped")) is not None:
            self._ask(
                f"Stop {worker_id}?",
                "Its running requests finish first; the next request may start another one.",
                lambda: acting.stop_worker(self._client, self.feed.tables, worker_id),
            )

    def _chosen_worker(self, done: str) -> str | None:
        key = self._rows.key
        if TABS[self._tab].name == "workers" and key is not None:
            return key
        self.notify(f"Only workers can be {done}: choose one (3).")
        return None

    def _ask(self, question: str, consequence: str, act: "acting.Act") -> None:
        async def do() -> None:
            try:
                self.notify(await act(), markup=False)
            except RbeeError as error:
                self.notify(render_problem(error), severity="error", timeout=10, markup=False)

        def answered(yes: bool | None) -> None:
            if yes:
                self.run_worker(do())

        self.push_screen(ConfirmScreen(question, consequence), answered)


def _index(tab: Tab, key: str) -> int:
    return next(i for i, column in enumerate(tab.columns) if column.key == key)
