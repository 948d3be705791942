"""A table for the terminal: thousands of rows, drawn only where they are seen.

Textual's own table keeps every cell; at a thousand rows that change each second this one
draws the twenty that are on the screen. It holds lines, a cursor that stays on its row
when the order changes, and the column that sorts.
"""

from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rbee.keeper.top.lines import GAP, Cell, Column, Line, Placed, bar, fitted, shown

_HEAD: Final = Style(bold=True)
_PLAIN: Final = Style()
_DIM: Final = Style(dim=True)
_CURSOR: Final = Style(color="black", bgcolor="yellow")
_FULL: Final = 0.95  # of a share: a GPU that works is no alarm, one that is full is worth a look
_HEAD_ROWS: Final = 1


class RowTable(ScrollView, can_focus=True):
    """Lines under a head. Posts ``Chosen`` when a row is opened, ``Sorted`` for a click on a head."""

    BINDINGS = [  # noqa: RUF012  Textual declares it so
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("home,g", "jump(0)", "First", show=False),
        Binding("end,G", "jump(-1)", "Last", show=False),
        Binding("enter", "choose", "Details", show=False),
    ]

    class Chosen(Message):
        """A row was opened."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Sorted(Message):
        """The head of a column was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str) -> None:
        """Empty; ``show`` gives it lines."""
        super().__init__(id=id)
        self._columns: tuple[Column, ...] = ()
        self._lines: list[Line] = []
        self._placed: list[Placed] = []
        self._sort: tuple[int, bool] = (0, False)
        self._cursor = 0
        self.faded = False

    @property
    def key(self) -> str | None:
        """The id of the row under the cursor."""
        return self._lines[self._cursor].key if self._lines else None

    @property
    def shown_columns(self) -> list[int]:
        """Which columns there is room for."""
        return [placed.at for placed in self._placed]

    @property
    def lines(self) -> list[Line]:
        """What it holds now, in its order."""
        return self._lines

    def show(
        self, columns: tuple[Column, ...], lines: list[Line], *, sort: tuple[int, bool]
    ) -> None:
        """Show these lines; the cursor stays on its row where that is still there."""
        key = self.key
        self._columns, self._lines, self._sort = columns, lines, sort
        found = next((at for at, line in enumerate(lines) if line.key == key), None)
        self._cursor = min(self._cursor, max(0, len(lines) - 1)) if found is None else found
        self._fit()

    def start_over(self) -> None:
        """Put the cursor on the first row, as for another tab."""
        self._lines, self._cursor = [], 0
        self.scroll_to(y=0, animate=False)

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self._go(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by screens."""
        self._go(self._cursor + by * max(1, self.size.height - _HEAD_ROWS))

    def action_jump(self, to: int) -> None:
        """Move the cursor to the first or last row."""
        self._go(to if to >= 0 else len(self._lines) - 1)

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if self.key is not None:
            self.post_message(self.Chosen(self.key))

    def on_resize(self, _event: Resize) -> None:
        """Choose the columns anew."""
        self._fit()

    def on_click(self, event: Click) -> None:
        """A click on the head sorts, on a row moves there, a double one opens it."""
        at = event.get_content_offset(self)
        if at is None:
            return
        if at.y < _HEAD_ROWS:
            x = 0
            for placed in self._placed:
                x += placed.width + GAP
                if at.x < x:
                    self.post_message(self.Sorted(placed.at))
                    return
            return
        self._go(at.y - _HEAD_ROWS + self.scroll_offset.y)
        if event.chain > 1:
            self.action_choose()

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the head, or a row."""
        width = self.size.width
        if y < _HEAD_ROWS:
            return self._head(width)
        at = y - _HEAD_ROWS + self.scroll_offset.y
        if at >= len(self._lines):
            return Strip.blank(width)
        on = at == self._cursor
        base = _CURSOR if on else _DIM if self.faded else _PLAIN
        segments: list[Segment] = []
        for placed in self._placed:
            segments += _drawn(self._lines[at].cells[placed.at], placed, base, plain=on)
            segments.append(Segment(" " * GAP, base))
        return Strip(segments).adjust_cell_length(width, base).crop(0, width)

    def _head(self, width: int) -> Strip:
        sort, reverse = self._sort
        segments: list[Segment] = []
        for placed in self._placed:
            arrow = ("↓" if reverse else "↑") if placed.at == sort else ""
            title = f"{placed.column.title}{arrow}"
            gap = placed.width - cell_len(title)
            text = " " * gap + title if placed.column.right else title + " " * gap
            segments.append(Segment(set_cell_size(text, placed.width) + " " * GAP, _HEAD))
        return Strip(segments).adjust_cell_length(width, _PLAIN).crop(0, width)

    def _fit(self) -> None:
        self._placed = fitted(
            self._columns, self._lines, max(1, self.size.width - 2)
        )  # a blank before the bar
        self.virtual_size = Size(self.size.width, len(self._lines) + _HEAD_ROWS)
        self.refresh()

    def _go(self, to: int) -> None:
        self._cursor = max(0, min(to, len(self._lines) - 1))
        rows = max(1, self.size.height - _HEAD_ROWS)
        top = self.scroll_offset.y
        if self._cursor < top or self._cursor >= top + rows:
            to_y = self._cursor if self._cursor < top else self._cursor - rows + 1
            self.scroll_to(y=to_y, animate=False)
        self.refresh(Region(0, 0, self.size.width, self.size.height))


def _drawn(cell: Cell, placed: Placed, base: Style, *, plain: bool) -> list[Segment]:
    """A cell in its width: a bar with the text at its right, or a mark before the text."""
    text, width = shown(cell), placed.width
    if placed.bar and cell.share is not None:
        colour = base if plain else base + Style(color=_heat(cell.share))
        rest = text.rjust(width - placed.bar)
        return [Segment(bar(cell.share, placed.bar), colour), Segment(rest, base)]
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1) + "…"
    if placed.column.right:
        text = text.rjust(width)
    padded = set_cell_size(text, width)
    if cell.mark and not plain:
        return [Segment(padded[:1], base + Style(color=cell.mark)), Segment(padded[1:], base)]
    return [Segment(padded, base)]


def _heat(share: float) -> str:
    return "yellow" if share >= _FULL else "green"
