"""``python -m rbee.testing.simulation --seed 7 --requests 10000 --kills 1000``.

Plays one seed, or with ``--seeds 50`` so many from it on, and says what came of it. A
field of ``Scenario`` is an option of the same name. Ends with 1 where a rule was broken.
"""

import argparse
import os
import subprocess
import sys

import msgspec

from rbee.foundation import logs
from rbee.testing.simulation.drill import run
from rbee.testing.simulation.world import Scenario


def _parsed(argv: list[str]) -> tuple[list[Scenario], bool]:
    parser = argparse.ArgumentParser(prog="python -m rbee.testing.simulation")
    for field in msgspec.structs.fields(Scenario):
        kind = float if field.type is float else int
        default = 1 if field.name == "seed" else field.default
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=default)
    parser.add_argument("--seeds", type=int, default=1, help="play so many seeds")
    parser.add_argument("--verbose", action="store_true", help="show the queen's log")
    given = vars(parser.parse_args(argv))
    seeds, verbose = given.pop("seeds"), given.pop("verbose")
    first = Scenario(**given)
    scenarios = [msgspec.structs.replace(first, seed=first.seed + more) for more in range(seeds)]
    return scenarios, verbose


def main(argv: list[str]) -> int:
    """Play what was asked for; the exit status."""
    scenarios, verbose = _parsed(argv)
    logs.set_up("simulation", level="info" if verbose else "critical")
    bad = 0
    for scenario in scenarios:
        report = run(scenario)
        bad += not report.ok
        sys.stdout.write(report.told() + "\n")
        sys.stdout.flush()
    return int(bad > 0)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of words are walked in the order of their hashes: a story must not depend on it.
        command = [sys.executable, "-m", "rbee.testing.simulation", *sys.argv[1:]]
        fixed = {**os.environ, "PYTHONHASHSEED": "0"}
        sys.exit(subprocess.run(command, env=fixed, check=False).returncode)
    sys.exit(main(sys.argv[1:]))
