"""What was measured, and the few numbers that are made of it: medians, spreads, ratios.

Ratios are taken round by round, between runs that stood next to each other, and
only then is their median taken: whatever slows the machine slows both.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from native_tools import CancelFigures, LoadFigures
from scenarios import SCENARIOS, Scenario

Metric = Callable[[Scenario, LoadFigures], float | None]

BY_NAME: Final[Mapping[str, Scenario]] = {scenario.name: scenario for scenario in SCENARIOS}


class Results(msgspec.Struct, kw_only=True):
    """One whole run. A measurement that failed is null, so that rounds stay aligned."""

    machine: str
    date: str
    hurry: float
    rounds: int
    candidates: dict[str, str]
    absent: dict[str, str]
    loads: dict[str, dict[str, list[LoadFigures | None]]] = msgspec.field(
        default_factory=dict[str, dict[str, list[LoadFigures | None]]]
    )
    cancels: dict[str, dict[str, CancelFigures]] = msgspec.field(
        default_factory=dict[str, dict[str, CancelFigures]]
    )
    failures: list[str] = msgspec.field(default_factory=list[str])


class Spread(NamedTuple):
    """A median between its quartiles."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Spread":
        """The spread of at least one number."""
        if len(numbers) == 1:
            return cls(numbers[0], numbers[0], numbers[0])
        low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive")
        return cls(middle, low, high)


# ── metrics of one measurement ────────────────────────────────────────────────


def units(scenario: Scenario, seen: LoadFigures) -> int:
    """Requests or events in the window."""
    return seen.answers if scenario.unit == "request" else seen.events


def per_s(scenario: Scenario, seen: LoadFigures) -> float | None:
    """Requests or events a second."""
    return units(scenario, seen) / seen.window_s


def cpu_us(scenario: Scenario, seen: LoadFigures) -> float | None:
    """The proxy's CPU for one request or event, microseconds."""
    count = units(scenario, seen)
    return (seen.cpu_user_s + seen.cpu_system_s) / count * 1e6 if count else None


def per_core_s(scenario: Scenario, seen: LoadFigures) -> float | None:
    """Requests or events for each second of the proxy's CPU."""
    used_s = seen.cpu_user_s + seen.cpu_system_s
    return units(scenario, seen) / used_s if used_s else None


def busy(_scenario: Scenario, seen: LoadFigures) -> float | None:
    """The proxy's share of its core, 0 to 1."""
    return (seen.cpu_user_s + seen.cpu_system_s) / seen.window_s


def harness_busy(_scenario: Scenario, seen: LoadFigures) -> float | None:
    """The share of their core that mock and load generator took: at 1 they are the limit."""
    return (seen.load_cpu_s + seen.mock_cpu_s) / seen.window_s


def opening_p50_ms(_scenario: Scenario, seen: LoadFigures) -> float | None:
    """First token of the streams that were opened at the start, median."""
    return seen.opening.p50_ms if seen.opening else None


def opening_p99_ms(_scenario: Scenario, seen: LoadFigures) -> float | None:
    """The same, 99th percentile."""
    return seen.opening.p99_ms if seen.opening else None


def first_p50_ms(_scenario: Scenario, seen: LoadFigures) -> float | None:
    """From a request to the first byte of its answer's body, median."""
    return seen.first.p50_ms if seen.first else None


def first_p99_ms(_scenario: Scenario, seen: LoadFigures) -> float | None:
    """The same, 99th percentile."""
    return seen.first.p99_ms if seen.first else None


# ── over the rounds ───────────────────────────────────────────────────────────


def series(results: Results, name: str, candidate: str, metric: Metric) -> list[float | None]:
    """A metric of each round."""
    runs = results.loads.get(name, {}).get(candidate, [])
    return [None if run is None else metric(BY_NAME[name], run) for run in runs]


def spread(results: Results, name: str, candidate: str, metric: Metric) -> Spread | None:
    """A metric's median and quartiles; None where nothing was measured."""
    numbers = [each for each in series(results, name, candidate, metric) if each is not None]
    return Spread.of(numbers) if numbers else None


def ratio(results: Results, name: str, one: str, other: str, metric: Metric) -> Spread | None:
    """``one`` ÷ ``other``, round by round."""
    pairs = zip(
        series(results, name, one, metric), series(results, name, other, metric), strict=False
    )
    numbers = [a / b for a, b in pairs if a is not None and b]
    return Spread.of(numbers) if numbers else None


def difference(results: Results, name: str, one: str, other: str, metric: Metric) -> Spread | None:
    """``one`` minus ``other``, round by round."""
    pairs = zip(
        series(results, name, one, metric), series(results, name, other, metric), strict=False
    )
    numbers = [a - b for a, b in pairs if a is not None and b is not None]
    return Spread.of(numbers) if numbers else None
