"""The goals of the data plane, each with its must, its goal and the verdict on what was measured.

A row that compares with a proxy which is absent is judged by the others, and
says so. No row is left out: what was not measured reads "not measured".
"""

import statistics
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from figures import (
    Metric,
    Results,
    cpu_us,
    difference,
    first_p50_ms,
    opening_p99_ms,
    per_core_s,
    per_s,
    ratio,
    spread,
)

ADDED_MUST_MS: Final = 0.5
CANCEL_MUST_MS: Final = 50.0
CANCEL_GOAL_MS: Final = 5.0
FLAT_GROWTH_MIB: Final = 8.0
"""Four clients' share of what a proxy may hold for a reader who is behind, with room."""
FLAT_LATE_GROWTH_MIB: Final = 1.0
"""Growth between the second and the last quarter: what is bounded has stopped by then."""


class Verdict(NamedTuple):
    """What was measured, and whether it meets must and goal; None: cannot be said."""

    measured: str
    must: bool | None = None
    goal: bool | None = None


class Row(NamedTuple):
    """One goal. ``judge`` takes the results and which rbee is meant."""

    what: str
    must: str
    goal: str
    judge: Callable[[Results, str], Verdict]


NOT_MEASURED: Final = Verdict("not measured")


def _compared(
    name: str,
    metric: Metric,
    unit: str,
    musts: Mapping[str, float],
    goals: Mapping[str, float],
    *,
    lower: bool = True,
) -> Callable[[Results, str], Verdict]:
    """A judge by ratios: at most (``lower``) or at least so many times the other's."""

    def judge(results: Results, who: str) -> Verdict:
        own = spread(results, name, who, metric)
        if own is None:
            return NOT_MEASURED
        said = [f"{own.middle:,.4g} {unit}"]
        met: dict[str, float] = {}
        for other in dict.fromkeys([*musts, *goals]):
            times = ratio(results, name, who, other, metric)
            if times is None:
                said.append(f"{other} absent")
                continue
            met[other] = times.middle
            quartiles = f" ({times.low:.2f}-{times.high:.2f})" if times.low != times.high else ""
            said.append(f"{times.middle:.2f}{quartiles} x {other}")

        def holds(limits: Mapping[str, float]) -> bool | None:
            known = [(met[other], limit) for other, limit in limits.items() if other in met]
            if not known:
                return None
            return all(seen <= limit if lower else seen >= limit for seen, limit in known)

        return Verdict("; ".join(said), holds(musts), holds(goals))

    return judge


def _added(results: Results, who: str) -> Verdict:
    own = difference(results, "first-1", who, "direct", first_p50_ms)
    if own is None:
        return NOT_MEASURED
    nginx = difference(results, "first-1", "nginx", "direct", first_p50_ms)
    other = "nginx absent" if nginx is None else f"nginx {nginx.middle:.3f} ms"
    goal = None if nginx is None else own.middle <= nginx.middle
    return Verdict(f"{own.middle:.3f} ms; {other}", own.middle <= ADDED_MUST_MS, goal)


def growth(rss_mb: list[float]) -> tuple[float, float]:
    """Memory gained since the start, and gained late, by medians of quarters, MiB."""
    quarter = max(1, len(rss_mb) // 4)
    early = statistics.median(rss_mb[quarter : 2 * quarter] or rss_mb)
    last = statistics.median(rss_mb[-quarter:])
    return last - rss_mb[0], last - early


def _flat(results: Results, who: str) -> Verdict:
    runs = [run for run in results.loads.get("never-reads", {}).get(who, []) if run is not None]
    if not runs:
        return NOT_MEASURED
    rss = runs[-1].rss_mb
    gained, late = growth(rss)
    flat = gained <= FLAT_GROWTH_MIB and late <= FLAT_LATE_GROWTH_MIB
    return Verdict(f"{rss[0]:.1f} -> {rss[-1]:.1f} MiB, late {late:+.2f}", flat, flat)


def _cancel(name: str) -> Callable[[Results, str], Verdict]:
    def judge(results: Results, who: str) -> Verdict:
        seen = results.cancels.get(name, {}).get(who)
        if seen is None:
            return NOT_MEASURED
        if seen.cancel is None or seen.never:
            return Verdict(f"{seen.never} of {seen.answers} never", must=False, goal=False)
        text = f"p50 {seen.cancel.p50_ms:.2f}, max {seen.cancel.max_ms:.2f} ms"
        worst = seen.cancel.max_ms
        return Verdict(text, worst <= CANCEL_MUST_MS, worst <= CANCEL_GOAL_MS)

    return judge


def _unary(connections: int) -> Row:
    return Row(
        f"CPU a raw unary request, {connections} connections",
        "<= 2.5 x nginx, <= 0.5 x vllm-router and sglang-router",
        "1.5 x nginx",
        _compared(
            f"unary-{connections}",
            cpu_us,
            "us",
            {"nginx": 2.5, "vllm-router": 0.5, "sglang-router": 0.5},
            {"nginx": 1.5},
        ),
    )


def _paced(streams: int) -> Row:
    return Row(
        f"CPU an event, {streams} paced streams",
        "<= 1.5 x nginx",
        "1.2 x nginx",
        _compared(f"paced-{streams}", cpu_us, "us", {"nginx": 1.5}, {"nginx": 1.2}),
    )


def _saturated(name: str, what: str) -> Row:
    musts = {"nginx": 0.85, "vllm-router": 1.0, "sglang-router": 1.0}
    judge = _compared(name, per_s, "events/s", musts, {"nginx": 1.0}, lower=False)
    return Row(what, ">= 0.85 x nginx, > both Rust routers", "nginx", judge)


ROWS: Final = (
    _unary(64),
    _unary(256),
    Row(
        "CPU an assembled unary request (16 events), 64 connections",
        "-",
        "-",
        _compared("assembled-64", cpu_us, "us", {}, {}),
    ),
    _paced(64),
    _paced(256),
    _saturated("saturated-1000", "1,000 streams as fast as they go: events/s"),
    _saturated("offered-1000", "1,000 streams, 200,000 events/s offered: events/s"),
    Row(
        "first token p99, 1,000 new streams",
        "<= 1.5 x sglang-router",
        "haproxy's",
        _compared("new-1000", opening_p99_ms, "ms", {"sglang-router": 1.5}, {"haproxy": 1.0}),
    ),
    Row("first token added, 1 connection", "<= 0.5 ms", "nginx's", _added),
    Row("memory, clients that never read", "flat", "flat", _flat),
    Row("cancel of a stream", "<= 50 ms", "<= 5 ms", _cancel("cancel-stream")),
    Row("cancel, not streamed", "<= 50 ms", "<= 5 ms", _cancel("cancel-unary")),
    Row("cancel, assembled", "<= 50 ms", "<= 5 ms", _cancel("cancel-assembled")),
    Row(
        "requests/s a core against LiteLLM, 64 connections",
        ">= 100 x",
        "300 x",
        _compared(
            "unary-64",
            per_core_s,
            "requests/s a core",
            {"litellm": 100.0},
            {"litellm": 300.0},
            lower=False,
        ),
    ),
)
