"""``python -m rbee.testing.simulation --seed 7 --requests 10000 --kills 1000``.

Plays one seed, or with ``--seeds 50`` so many from it on, and says what came of it. A
field of ``Scenario`` is an option of the same name. Ends with 1 where a rule was broken;
``--keep tests/simulation/seeds.txt`` adds that story to those that the tests always play.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from rbee.foundation import logs
from rbee.testing.simulation.drill import run
from rbee.testing.simulation.world import Scenario


def parser() -> argparse.ArgumentParser:
    """An option for each field of ``Scenario``."""
    made = argparse.ArgumentParser(prog="python -m rbee.testing.simulation")
    for field in msgspec.structs.fields(Scenario):
        kind = float if field.type is float else int
        default = 1 if field.name == "seed" else field.default
        made.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=default)
    return made


def scenario_of(line: str) -> Scenario:
    """The scenario that a kept line of options names."""
    return Scenario(**vars(parser().parse_args(line.split())))


def main(argv: list[str]) -> int:
    """Play what was asked for; the exit status."""
    options = parser()
    options.add_argument("--seeds", type=int, default=1, help="play so many seeds")
    options.add_argument("--verbose", action="store_true", help="show the queen's log")
    options.add_argument("--keep", type=Path, help="add what fails to this file of seeds")
    given = vars(options.parse_args(argv))
    seeds, verbose, keep = given.pop("seeds"), given.pop("verbose"), given.pop("keep")
    first = Scenario(**given)
    logs.set_up("simulation", level="info" if verbose else "critical")
    bad = 0
    for more in range(seeds):
        report = run(msgspec.structs.replace(first, seed=first.seed + more))
        sys.stdout.write(report.told() + "\n")
        sys.stdout.flush()
        if not report.ok:
            bad += 1
            if keep is not None:
                with keep.open("a", encoding="utf-8") as file:
                    file.write(report.arguments() + "\n")
    return int(bad > 0)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of words are walked in the order of their hashes: a story must not depend on it.
        command = [sys.executable, "-m", "rbee.testing.simulation", *sys.argv[1:]]
        fixed = {**os.environ, "PYTHONHASHSEED": "0"}
        sys.exit(subprocess.run(command, env=fixed, check=False).returncode)
    sys.exit(main(sys.argv[1:]))
