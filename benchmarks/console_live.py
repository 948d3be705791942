"""What the console costs the browser with a large colony: real Chromium, the real pages.

A real queen, a played colony (``rbee.testing.big_colony``), Chromium on the built console
(``RBEE_CONSOLE_DIR``, or what ``make console`` built). Each page stays open for a window and
tells: the share of its main thread that is busy and its longest task (both in CPU time of the
thread, so that a loaded machine does not count), the longest task by the clock, the frames' p99 and worst interval while a frame is
asked for continuously, the heap, and how soon first paint and live data came.

    .venv/bin/python benchmarks/console_live.py [--pages /,/hives,/workers] [--seconds 20]
        [--hives 100] [--gpus 8] [--workers 10] [--restart]

``--restart`` kills the queen under the open overview and says how soon the page is live again,
and whether its rows are those of a fresh page.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from playwright.sync_api import CDPSession, Page, sync_playwright
from state_stream import played

from rbee.testing.big_colony.__main__ import own_queen
from rbee.testing.colony import DaemonUnderTest

SETTLE_S: Final = 6.0
LIVE_MS_MAX: Final = 30_000  # a loaded machine; the bar is 2 s
RESULTS: Final = Path(__file__).parent / "results" / "console_live.json"
CHROMIUM: Final = "/usr/bin/chromium"

_WATCH: Final = """() => {
  const w = window; w.__tasks = []; w.__frames = [];
  new PerformanceObserver(list => { for (const e of list.getEntries()) w.__tasks.push(e.duration); })
    .observe({ entryTypes: ["longtask"] });
  let last = performance.now();
  const tick = now => { w.__frames.push(now - last); last = now; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""
_SEEN: Final = """() => { const f = window.__frames.slice(5).sort((a, b) => a - b);
  return { tasks: window.__tasks, frames: f.length, p50: f[Math.floor(f.length * .5)],
    p99: f[Math.floor(f.length * .99)], worst: f[f.length - 1] }; }"""
_PAINT: Final = """() => { const e = performance.getEntriesByName("first-contentful-paint")[0];
  return e ? e.startTime : null; }"""


class Seen(NamedTuple):
    """One page's figures. ``busy_pct`` is of the main thread, with no frames asked for."""

    page: str
    busy_pct: float
    longest_task_cpu_ms: float
    longest_task_ms: float
    long_tasks: int
    frame_p50_ms: float
    frame_p99_ms: float
    frame_worst_ms: float
    heap_mb: float
    first_paint_ms: float | None
    live_ms: float


def thread_s(cdp: CDPSession) -> dict[str, float]:
    """Chromium's own figures of the page."""
    metrics = cast("dict[str, Any]", cdp.send("Performance.getMetrics"))  # pyright: ignore[reportUnknownMemberType]  Playwright's dicts are bare
    return {one["name"]: one["value"] for one in metrics["metrics"]}


def longest_task(trace: bytes) -> float:
    """The longest task of a page's main thread in a trace, in ms of the thread's own CPU time."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    mains = {
        (one["pid"], one["tid"])
        for one in events
        if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"
    }
    took = [
        one.get("tdur", 0) / 1e3
        for one in events
        if (one["pid"], one["tid"]) in mains and one["name"].endswith("RunTask")
    ]
    return max(took, default=0.0)


def measure(page: Page, url: str, path: str, seconds: float) -> Seen:
    """Open a page and leave it alone."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable", {"timeDomain": "threadTicks"})  # pyright: ignore[reportUnknownMemberType]  as above
    began = time.perf_counter()
    page.goto(url + path, wait_until="commit")
    page.get_by_text("Live", exact=True).first.wait_for(timeout=LIVE_MS_MAX, state="attached")
    live_ms = (time.perf_counter() - began) * 1e3
    page.wait_for_timeout(SETTLE_S * 1e3)
    before, then = thread_s(cdp), time.perf_counter()
    page.wait_for_timeout(seconds * 1e3)
    after, took = thread_s(cdp), time.perf_counter() - then
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=["toplevel"])
    page.wait_for_timeout(seconds * 1e3)
    longest_cpu_ms = longest_task(browser.stop_tracing())
    page.evaluate(_WATCH)
    page.wait_for_timeout(seconds * 1e3)
    seen: dict[str, Any] = page.evaluate(_SEEN)
    paint = page.evaluate(_PAINT)
    return Seen(
        page=path,
        busy_pct=round((after["TaskDuration"] - before["TaskDuration"]) / took * 100, 1),
        longest_task_cpu_ms=round(longest_cpu_ms, 1),
        longest_task_ms=round(max(seen["tasks"], default=0.0)),
        long_tasks=len(seen["tasks"]),
        frame_p50_ms=round(seen["p50"], 1),
        frame_p99_ms=round(seen["p99"], 1),
        frame_worst_ms=round(seen["worst"], 1),
        heap_mb=round(after["JSHeapUsedSize"] / 1e6, 1),
        first_paint_ms=None if paint is None else round(paint),
        live_ms=round(live_ms),
    )


def restart(page: Page, queen: DaemonUnderTest) -> None:
    """Kill the queen under an open page."""
    page.goto(queen.url, wait_until="commit")
    live = page.get_by_text("Live", exact=True).first
    live.wait_for(timeout=LIVE_MS_MAX, state="attached")
    queen.kill()
    page.locator("[data-banner=connection]").wait_for(timeout=LIVE_MS_MAX)
    queen.start()
    began = time.perf_counter()
    live.wait_for(timeout=LIVE_MS_MAX, state="attached")
    print(f"restart: live again {time.perf_counter() - began:.2f} s after she answers")


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", default="/,/hives,/workers")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--hives", type=int, default=100)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--restart", action="store_true")
    options = parser.parse_args()
    found: list[Seen] = []
    with (
        own_queen() as queen,
        played(queen.url, options.hives, options.gpus, options.workers),
        sync_playwright() as playwright,
    ):
        time.sleep(SETTLE_S)
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for path in options.pages.split(","):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            found.append(measure(page, queen.url, path, options.seconds))
            print(found[-1])
            page.close()
        if options.restart:
            restart(browser.new_page(), queen)
        browser.close()
    RESULTS.write_text(json.dumps([one._asdict() for one in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
