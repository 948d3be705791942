"""The queen against nginx, haproxy and the routers of others, interleaved in one run.

    python benchmarks/compare.py [--quick] [--rounds 5]

Every round takes each scenario through all candidates, and who begins changes
with the round. Writes ``benchmarks/results/compare.json``, ``.md`` (the goals,
met or missed, then all figures) and ``.svg``. Needs Linux, two cores and a C
compiler; nginx and haproxy are taken from PATH, the peers are installed into
``build/peers`` at the first run. What is absent is named with its reason.
"""

import argparse
import contextlib
import datetime as dt
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
from candidates import KNOWN, Candidate, start_all
from charts import svg
from figures import Results, cpu_us, per_s
from native_tools import (
    LOAD_CPU,
    PROXY_CPU,
    CancelFigures,
    LoadFigures,
    Mock,
    Unbuildable,
    program,
    running_mock,
)
from scenarios import SCENARIOS, Scenario, measure, warm_up, write_bodies
from tables import markdown

ROUNDS: Final = 5
QUICK: Final = 0.4  # of every window, in one round
WORKERS: Final = 4  # so that there is something to route; all are one process
FILES_WANTED: Final = 16_384  # a thousand streams have two sockets each in the proxy
RESULTS: Final = Path(__file__).with_name("results")


def main() -> int:
    """Measure, write, and leave with 1 when nothing could be measured."""
    asked = _arguments()
    chosen = [one for one in SCENARIOS if not asked.scenarios or one.name in asked.scenarios]
    try:
        program("load")  # the mock is built where it starts: say early what is missing
    except Unbuildable as error:
        print(error, file=sys.stderr)
        return 1
    machine = _machine()
    _prepare()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rbee-compare-")))
        mock = stack.enter_context(running_mock(WORKERS, cpu=LOAD_CPU))
        running, absent = start_all(asked.candidates, mock, PROXY_CPU, stack)
        results = Results(
            machine=machine,
            date=dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            hurry=QUICK if asked.quick else 1.0,
            rounds=0,
            candidates={one.name: one.version for one in running},
            absent=absent,
        )
        run = _Run(results, mock, running, chosen, write_bodies(folder), asked.output)
        try:
            run.all(1 if asked.quick else asked.rounds)
        except KeyboardInterrupt:
            print("stopped; what was measured is written", file=sys.stderr)
    document = run.write()
    print(document)
    return 0 if results.loads or results.cancels else 1


class _Run:
    """The rounds, and where their figures go."""

    def __init__(
        self,
        results: Results,
        mock: Mock,
        running: Sequence[Candidate],
        scenarios: Sequence[Scenario],
        bodies: dict[str, Path],
        output: Path,
    ) -> None:
        self._results = results
        self._mock = mock
        self._running = running
        self._scenarios = scenarios
        self._bodies = bodies
        self._output = output
        self._began_s = time.monotonic()

    def all(self, rounds: int) -> None:
        """All rounds; written after each, so that a run that dies leaves what it had."""
        for candidate in self._running:
            with contextlib.suppress(RuntimeError):  # it will fail again where it is measured
                warm_up(candidate, self._bodies["unary-64"])
        for number in range(rounds):
            for at, scenario in enumerate(self._scenarios):
                if number and not scenario.every_round:
                    continue
                fitting = [one for one in self._running if scenario.fits(one.name)]
                turn = (number + at) % max(len(fitting), 1)
                for candidate in [*fitting[turn:], *fitting[:turn]]:
                    self._one(scenario, candidate)
            self._results.rounds = number + 1
            self.write()

    def write(self) -> str:
        """Write JSON, Markdown and SVG; the Markdown comes back."""
        self._output.parent.mkdir(parents=True, exist_ok=True)
        kept = msgspec.json.format(msgspec.json.encode(self._results), indent=1)
        self._output.with_suffix(".json").write_bytes(kept)
        document = markdown(self._results, "benchmarks/compare.py")
        self._output.with_suffix(".md").write_text(document, encoding="utf-8")
        self._output.with_suffix(".svg").write_text(svg(self._results), encoding="utf-8")
        return document

    def _one(self, scenario: Scenario, candidate: Candidate) -> None:
        body = self._bodies[scenario.name]
        seen: LoadFigures | CancelFigures | None = None
        try:
            seen = measure(scenario, candidate, self._mock, body, hurry=self._results.hurry)
        except (RuntimeError, OSError, msgspec.MsgspecError) as error:
            self._results.failures.append(f"{scenario.name}, {candidate.name}: {error}")
        if isinstance(seen, CancelFigures):
            self._results.cancels.setdefault(scenario.name, {})[candidate.name] = seen
        elif scenario.mode != "cancel":
            loads = self._results.loads.setdefault(scenario.name, {})
            loads.setdefault(candidate.name, []).append(seen)
        took_s = time.monotonic() - self._began_s
        print(f"{took_s:6.0f} s  {scenario.name:16} {candidate.name:14} {_said(scenario, seen)}",
              file=sys.stderr, flush=True)  # fmt: skip


def _said(scenario: Scenario, seen: LoadFigures | CancelFigures | None) -> str:
    if seen is None:
        return "failed"
    if isinstance(seen, CancelFigures):
        return f"{seen.cancel}"
    each = cpu_us(scenario, seen)
    cost = "" if each is None else f", {each:.1f} µs CPU each"
    return f"{per_s(scenario, seen) or 0:,.0f} {scenario.unit}s/s{cost}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of short windows")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    names = list(KNOWN)
    parser.add_argument("--candidates", nargs="+", choices=names, default=names)
    scenarios = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--scenarios", nargs="+", choices=scenarios, default=[])
    help_text = "where to write, without the suffix"
    parser.add_argument("--output", type=Path, default=RESULTS / "compare", help=help_text)
    return parser.parse_args()


def _machine() -> str:
    """What the figures were made on, and how busy it was before: over 0.5 is not quiet."""
    python = f"Python {platform.python_version()}"
    system = f"{platform.machine()}, Linux {platform.release()}"
    load = f"load average {os.getloadavg()[0]:.1f} at the start"
    return f"{os.cpu_count()} cores, {system}, {python}, {load}"


def _prepare() -> None:
    if PROXY_CPU == LOAD_CPU:
        print("One core only: proxy and load share it, and no figure means much.", file=sys.stderr)
    os.sched_setaffinity(0, {LOAD_CPU})  # our beats and clocks stay off the proxy's core
    allow_many_files()


def allow_many_files() -> None:
    """Raise our own limit on open files, which the daemons that we start inherit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES_WANTED, hard), hard))


if __name__ == "__main__":
    sys.exit(main())
