"""Lines of a table: filtered, sorted, fitted to a width. Pure.

A cell is a text, what it sorts by, and a colour for its mark; a share (0 to 1) is drawn
as a bar where there is room. Columns that a narrow terminal has no room for are left out,
the least telling first.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from rbee.keeper.units import UNKNOWN

GAP: Final = 2  # blanks between two columns
_MARK: Final = 2  # cells of the dot that `shown` sets before a text, with its blank
BAR_MAX: Final = 12  # cells: more says no more
_BAR_MIN: Final = 5  # shorter, a bar is a smudge
_DIGITS: Final = re.compile(r"(\d+)")

_NAMES_KEPT: Final = 8192  # of a large colony's rows: they are sorted anew each second

SortKey: TypeAlias = float | str | None


class Cell(NamedTuple):
    """One cell. ``mark`` is a dot of this colour before the text, ``share`` a bar after it."""

    text: str
    value: SortKey = None
    mark: str = ""
    share: float | None = None


class Column(NamedTuple):
    """``width_max`` bounds a long text; ``drop`` is when it goes: 9 first, 0 never."""

    key: str
    title: str
    width_max: int = 40
    right: bool = False
    drop: int = 0


class Line(NamedTuple):
    """One row: its id, and a cell for each column."""

    key: str
    cells: tuple[Cell, ...]


class Placed(NamedTuple):
    """A column as it is drawn: which one it is, how wide, and how much of that is a bar."""

    at: int
    column: Column
    width: int
    bar: int = 0


def shown(cell: Cell) -> str:
    """A cell's text with its mark."""
    return f"● {cell.text}" if cell.mark else cell.text


def matching(lines: Sequence[Line], columns: Sequence[Column], words: str) -> list[Line]:
    """The lines that hold every word; ``status:error`` looks in that column alone."""
    wanted = words.casefold().split()
    keys = [column.key for column in columns]
    return [line for line in lines if all(_holds(line, keys, word) for word in wanted)]


def _holds(line: Line, keys: Sequence[str], word: str) -> bool:
    key, colon, rest = word.partition(":")
    if colon and key in keys:
        return rest in _words(line.cells[keys.index(key)])
    return word in line.key.casefold() or any(word in _words(cell) for cell in line.cells)


def _words(cell: Cell) -> str:
    """What a filter finds in a cell: its text, and the whole name where that is shortened."""
    return f"{cell.text} {cell.value if isinstance(cell.value, str) else ''}".casefold()


def ordered(lines: Sequence[Line], index: int, *, reverse: bool) -> list[Line]:
    """Sorted by a column, unknown last either way, equal ones by their ids."""
    by_id = sorted(lines, key=lambda line: natural(line.key))
    values = [(_value(line.cells[index]), line) for line in by_id]
    known = [(_comparable(value), line) for value, line in values if value is not None]
    known.sort(key=itemgetter(0), reverse=reverse)
    return [line for _, line in known] + [line for value, line in values if value is None]


@lru_cache(maxsize=_NAMES_KEPT)
def natural(text: str) -> tuple[tuple[int, float, str], ...]:
    """A key by which GPU-10 comes after GPU-9."""
    parts = _DIGITS.split(text.casefold())
    return tuple((0, float(p), "") if p.isdigit() else (1, 0.0, p) for p in parts if p)


def _value(cell: Cell) -> SortKey:
    """What a cell sorts by: its value, else its text; None where it is unknown."""
    if cell.value is not None or cell.text == UNKNOWN:
        return cell.value
    return cell.text or None


def _comparable(value: SortKey) -> tuple[tuple[int, float, str], ...]:
    return natural(value) if isinstance(value, str) else ((0, value or 0.0, ""),)


def fitted(columns: Sequence[Column], lines: Sequence[Line], width: int) -> list[Placed]:
    """Which columns are drawn in ``width`` cells, and how wide each is; none that is empty."""
    texts = [_text_width(column, lines, i) for i, column in enumerate(columns)]
    kept = [i for i in range(len(columns)) if not lines or any(ln.cells[i].text for ln in lines)]
    while len(kept) > 1 and sum(texts[i] for i in kept) + GAP * (len(kept) - 1) > width:
        last = max(kept, key=lambda i: (columns[i].drop, i))
        if columns[last].drop == 0:
            break
        kept.remove(last)
    spare = width - sum(texts[i] for i in kept) - GAP * (len(kept) - 1)
    widths = {i: texts[i] for i in kept}
    if spare < 0:
        widest = max(kept, key=lambda i: texts[i])
        widths[widest] = max(_BAR_MIN, texts[widest] + spare)
    barred = [i for i in kept if any(line.cells[i].share is not None for line in lines)]
    barred = barred[: max(0, spare) // (_BAR_MIN + 1)]
    bars = dict.fromkeys(barred, min(BAR_MAX, spare // len(barred) - 1)) if barred else {}
    return [Placed(i, columns[i], widths[i] + bars.get(i, -1) + 1, bars.get(i, 0)) for i in kept]


def _text_width(column: Column, lines: Sequence[Line], index: int) -> int:
    cells = [line.cells[index] for line in lines]
    marks = _MARK if any(cell.mark for cell in cells) else 0
    longest = max((len(cell.text) for cell in cells), default=0) + marks
    return max(len(column.title) + 1, min(longest, column.width_max))  # +1: the sort's arrow


def bar(share: float, width: int) -> str:
    """A bar of ``width`` cells for 0 to 1, to an eighth of a cell."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)
