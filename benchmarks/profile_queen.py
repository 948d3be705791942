"""Where the queen's time goes under a scenario of the comparison: py-spy's samples, added up.

    python benchmarks/profile_queen.py [--scenarios unary-64 paced-256] [--uvloop]

Needs ``py-spy`` on PATH (``pip install py-spy``) and the right to look into a
process of one's own. Prints for each scenario the rate, the CPU of a request or
event in user and system time, and the functions with the most samples: alone,
and with all that they call. A goal that is missed is reported with this.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from candidates import ASSEMBLED, KEY, Candidate
from compare import WORKERS, allow_many_files
from figures import per_s, units
from native_tools import LOAD_CPU, MODEL, PROXY_CPU, LoadFigures, Mock, running_mock
from rig import BenchWorker, running_queen
from scenarios import SCENARIOS, Scenario, measure, write_bodies

DEFAULT: Final = ("unary-64", "assembled-64", "paced-256", "saturated-1000")
RATE_HZ: Final = 250  # samples a second: finer disturbs what it looks at
SHOWN: Final = 30
_IDLE: Final = ("wait (threading.py", "_worker (concurrent/futures")  # threads that sleep


def main() -> int:
    """Profile each scenario with a queen of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    known = {scenario.name: scenario for scenario in SCENARIOS if scenario.mode == "loop"}
    parser.add_argument("--scenarios", nargs="+", choices=list(known), default=DEFAULT)
    parser.add_argument("--uvloop", action="store_true")
    asked = parser.parse_args()
    spy = shutil.which("py-spy")
    if spy is None:
        print("py-spy is not on PATH: pip install py-spy", file=sys.stderr)
        return 1
    allow_many_files()
    for name in asked.scenarios:
        with tempfile.TemporaryDirectory(prefix="rbee-profile-") as folder:
            profile(known[name], Path(folder), spy, uvloop=asked.uvloop)
    return 0


def profile(scenario: Scenario, home: Path, spy: str, *, uvloop: bool) -> None:
    """Load a fresh queen and look on."""
    body = write_bodies(home)[scenario.name]
    out = home / "samples"
    with running_mock(WORKERS, cpu=LOAD_CPU) as mock:
        workers = [
            BenchWorker(port, "worker-key", mock.pid, model, unary_cancel=model == MODEL)
            for model in (MODEL, ASSEMBLED)
            for port in mock.ports
        ]
        with running_queen(home / "queen", workers, key=KEY, cpu=PROXY_CPU, uvloop=uvloop) as queen:
            candidate = Candidate("rbee", "", queen.port, [queen.process.pid])
            seconds = round(scenario.window_s + scenario.warm_s + 1)
            argv = [spy, "record", "-f", "raw", "-F", "-r", str(RATE_HZ), "-o", str(out)]
            argv += ["-d", str(seconds), "-p", str(queen.process.pid)]
            quiet = subprocess.DEVNULL
            looking = subprocess.Popen(argv, stdout=quiet, stderr=quiet)
            seen = _measured(scenario, candidate, mock, body)
            looking.wait()
    each = 1e6 / max(units(scenario, seen), 1)
    print(
        f"\n{scenario.title}: {per_s(scenario, seen):,.0f} {scenario.unit}s/s, each "
        f"{seen.cpu_user_s * each:.1f} µs user, {seen.cpu_system_s * each:.1f} µs system"
    )
    report(out.read_text(encoding="utf-8").splitlines())


def _measured(scenario: Scenario, candidate: Candidate, mock: Mock, body: Path) -> LoadFigures:
    seen = measure(scenario, candidate, mock, body, hurry=1.0)
    assert isinstance(seen, LoadFigures), scenario.mode
    return seen


def report(lines: Sequence[str]) -> None:
    """Add samples up; each line is a stack from the outside in, and how often it was seen."""
    alone: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [_short(frame) for frame in stack.split(";")]
        if any(mark in frames[-1] for mark in _IDLE):
            continue
        alone[frames[-1]] += int(count)
        within.update(dict.fromkeys(frames, int(count)))
    total = max(alone.total(), 1)
    for title, counted in (("alone", alone), ("with what they call", within)):
        print(f"  {title}:")
        for frame, count in counted.most_common(SHOWN):
            print(f"  {count / total:6.1%}  {frame}")


def _short(frame: str) -> str:
    return frame.rpartition("site-packages/")[2].rpartition("lib/python3")[2].lstrip("0123456789./")


if __name__ == "__main__":
    sys.exit(main())
