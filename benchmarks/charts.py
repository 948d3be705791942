"""Bars as SVG, written by hand: a plot that needs no plotting library.

One panel a figure, one bar a candidate, the quartiles as a line over the bar's
end. A panel whose values differ by more than fifty times is logarithmic and says so.
"""

import math
from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from figures import Metric, Results, Spread, cpu_us, first_p50_ms, opening_p99_ms, per_s, spread

PANELS: Final[tuple[tuple[str, str, Metric], ...]] = (
    ("CPU a unary request, 64 connections, µs", "unary-64", cpu_us),
    ("CPU a unary request, 256 connections, µs", "unary-256", cpu_us),
    ("CPU an event, 64 paced streams, µs", "paced-64", cpu_us),
    ("CPU an event, 256 paced streams, µs", "paced-256", cpu_us),
    ("Events/s, 1,000 saturated streams", "saturated-1000", per_s),
    ("Events/s, 200,000 offered on 1,000 streams", "offered-1000", per_s),
    ("First token p99, 1,000 new streams, ms", "new-1000", opening_p99_ms),
    ("First token p50, 1 connection, ms", "first-1", first_p50_ms),
    ("Requests/s, 64 connections", "unary-64", per_s),
)
LOG_FROM: Final = 50.0
_COLUMNS: Final = 2
_WIDTH, _LABEL, _BAR, _LINE, _HEAD = 520, 110, 300, 20, 46
_OWN, _OTHER = "#d98e04", "#7a8794"


def svg(results: Results) -> str:
    """The whole picture; panels without a measurement are left out."""
    panels = [
        (title, seen) for title, name, metric in PANELS if (seen := _values(results, name, metric))
    ]
    height = max((len(seen) for _, seen in panels), default=0) * _LINE + _HEAD + 16
    rows = math.ceil(len(panels) / _COLUMNS)
    size = f'width="{_WIDTH * _COLUMNS}" height="{height * rows}"'
    font = 'font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (title, seen) in enumerate(panels):
        at = (number % _COLUMNS * _WIDTH, number // _COLUMNS * height)
        parts.append(f'<g transform="translate({at[0]},{at[1]})">{_panel(title, seen)}</g>')
    return "\n".join([*parts, "</svg>", ""])


def _values(results: Results, name: str, metric: Metric) -> dict[str, Spread]:
    found = {who: spread(results, name, who, metric) for who in results.candidates}
    return {who: seen for who, seen in found.items() if seen is not None and seen.middle > 0}


def _panel(title: str, seen: Mapping[str, Spread]) -> str:
    most = max(each.high for each in seen.values())
    least = min(each.middle for each in seen.values())
    log = most / least > LOG_FROM
    floor = 10 ** math.floor(math.log10(least)) if log else 0.0

    def length(value: float) -> float:
        if not log:
            return value / most * _BAR
        return math.log(max(value, floor) / floor) / math.log(most / floor) * _BAR

    scale = " (logarithmic)" if log else ""
    lines = [f'<text x="10" y="24" font-weight="bold">{escape(title)}{scale}</text>']
    for number, (who, each) in enumerate(seen.items()):
        top = _HEAD - 8 + number * _LINE
        colour = _OWN if who.startswith("rbee") else _OTHER
        low, middle, high = (_LABEL + length(v) for v in (each.low, each.middle, each.high))
        size = f'width="{max(middle - _LABEL, 1):.1f}" height="{_LINE - 6}"'
        text = f"{each.middle:,.0f}" if each.middle >= 100 else f"{each.middle:.3g}"
        lines += [
            f'<text x="{_LABEL - 6}" y="{top + 12}" text-anchor="end">{escape(who)}</text>',
            f'<rect x="{_LABEL}" y="{top + 2}" {size} fill="{colour}"/>',
            f'<path d="M{low:.1f} {top + 9}H{high:.1f}" stroke="black"/>',
            f'<text x="{high + 6:.1f}" y="{top + 12}">{text}</text>',
        ]
    return "".join(lines)
