"""The written form of a comparison: goals first, then every candidate's figures."""

from collections.abc import Sequence
from typing import Final

from figures import (
    BY_NAME,
    Metric,
    Results,
    busy,
    cpu_us,
    first_p50_ms,
    first_p99_ms,
    harness_busy,
    opening_p50_ms,
    opening_p99_ms,
    per_s,
    spread,
)
from goals import ROWS, growth

SUBJECTS: Final = ("rbee", "rbee-uvloop")
_COLUMNS: Final[Sequence[tuple[str, Metric]]] = (
    ("a second", per_s),
    ("CPU µs each", cpu_us),
    ("core busy", busy),
    ("first p50 ms", first_p50_ms),
    ("first p99 ms", first_p99_ms),
    ("opening p50 ms", opening_p50_ms),
    ("opening p99 ms", opening_p99_ms),
    ("harness busy", harness_busy),
)


def markdown(results: Results, source: str) -> str:
    """The whole document."""
    parts = [_head(results, source)]
    parts += [_goals(results, who) for who in SUBJECTS if who in results.candidates]
    parts += [_scenario(results, name) for name in results.loads if name != "never-reads"]
    parts += [_memory(results), _cancels(results)]
    if results.failures:
        parts.append("## What failed\n\n" + "\n".join(f"- {text}" for text in results.failures))
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(results: Results, source: str) -> str:
    versions = ", ".join(
        f"{name} {version}".strip() for name, version in results.candidates.items()
    )
    how = (
        f"`{source}`, {results.date}, {results.machine}. {results.rounds} interleaved rounds; "
        "medians, quartiles in brackets, ratios round by round. The proxy alone on one core, "
        "mock worker and load generator on the other."
    )
    lines = ["# The queen against other proxies", "", how, "", f"Compared: {versions}."]
    if results.hurry < 1:
        lines += ["", "**A quick run: short windows, read trends only.**"]
    if results.absent:
        lines += ["", "Absent:", ""]
        lines += [f"- {name}: {reason}" for name, reason in results.absent.items()]
    return "\n".join(lines)


def _goals(results: Results, who: str) -> str:
    lines = [
        f"## Goals: {who}",
        "",
        *_header("what", "must", "goal", "measured", "must met", "goal met"),
    ]
    for row in ROWS:
        verdict = row.judge(results, who)
        cells = (row.what, row.must, row.goal, verdict.measured)
        lines.append(_row(*cells, _word(verdict.must), _word(verdict.goal)))
    return "\n".join(lines)


def _word(met: bool | None) -> str:
    return "-" if met is None else "yes" if met else "**no**"


def _scenario(results: Results, name: str) -> str:
    scenario = BY_NAME[name]
    runs = results.loads[name]
    shown = [
        (title, metric)
        for title, metric in _COLUMNS
        if any(spread(results, name, candidate, metric) for candidate in runs)
    ]
    lines = [f"## {scenario.title}", "", f'`{name}`; "each" is one {scenario.unit}.', ""]
    lines += _header("", *(title for title, _ in shown), "not well")
    for candidate, seen in runs.items():
        cells = [_cell(results, name, candidate, metric) for _, metric in shown]
        bad = sum(run.bad_status + run.failures + run.starved for run in seen if run is not None)
        lost = sum(run is None for run in seen)
        lines.append(_row(candidate, *cells, f"{bad or ''}{' lost: ' + str(lost) if lost else ''}"))
    return "\n".join(lines)


def _cell(results: Results, name: str, candidate: str, metric: Metric) -> str:
    seen = spread(results, name, candidate, metric)
    if seen is None:
        return ""
    if metric in {busy, harness_busy}:
        return f"{seen.middle:.0%}"
    if seen.low == seen.high:
        return _number(seen.middle)
    return f"{_number(seen.middle)} ({_number(seen.low)}-{_number(seen.high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _memory(results: Results) -> str:
    runs = results.loads.get("never-reads")
    if not runs:
        return ""
    lines = [f"## Memory: {BY_NAME['never-reads'].title}", ""]
    lines += _header("", "start MiB", "end MiB", "gained", "gained late")
    for candidate, seen in runs.items():
        for run in seen:
            if run is not None and run.rss_mb:
                gained, late = growth(run.rss_mb)
                ends = (f"{run.rss_mb[0]:.1f}", f"{run.rss_mb[-1]:.1f}")
                lines.append(_row(candidate, *ends, f"{gained:+.1f}", f"{late:+.2f}"))
    return "\n".join(lines)


def _cancels(results: Results) -> str:
    if not results.cancels:
        return ""
    lines = ["## From a client's leaving until the worker sees it", ""]
    lines += _header("", "who", "p50 ms", "p99 ms", "max ms", "never (3 s)")
    for name, runs in results.cancels.items():
        for candidate, seen in runs.items():
            times = seen.cancel
            cells = ("", "", "") if times is None else (times.p50_ms, times.p99_ms, times.max_ms)
            never = f"{seen.never} of {seen.answers}"
            lines.append(_row(BY_NAME[name].title, candidate, *map(str, cells), never))
    return "\n".join(lines)


def _header(*titles: str) -> list[str]:
    return [_row(*titles), "|" + "---|" * len(titles)]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
