"""Answers outlive their workers: kills by the hundred, every answer looked at byte by byte.

``python benchmarks/kill_drill.py`` runs the scripted drill: real worker processes
behind a real queen die between events, inside chunks and by SIGKILL, one to two
times an answer. ``--engine real`` kills llama.cpp with the starter model, beside a
warm second worker (``--workers 2``) or alone, so that each answer waits for a cold
start (``--workers 1``), and holds every seam against a direct call. Prints kills,
faults and the added pause; leaves with 1 when one answer was not right.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from rbee.testing.colony import Colony
from rbee.testing.killing import Tally, drill
from rbee.testing.real_kills import CONTEXT_TOKENS, real_drill, starter_colony
from rbee.testing.starter import cached_starter
from rbee.testing.workers import running_worker

CACHE: Final = Path(__file__).parents[1] / ".cache"  # where the tests keep it too
DEATHS_AN_ANSWER: Final = 1.45  # one or two, as often, and some end before: so many are asked


def scripted(root: Path, *, kills: int, at_once: int, seed: int) -> Tally:
    """The drill with scripted workers."""
    with Colony(root) as colony:
        queen = colony.queen(quiet_s="0.2")
        answers = round(kills / DEATHS_AN_ANSWER)
        return asyncio.run(
            drill(queen.url, root / "nursery", answers=answers, at_once=at_once, seed=seed)
        )


def real(root: Path, *, kills: int, workers: int, seed: int) -> Tally:
    """The drill with the starter model in llama.cpp."""
    starter = cached_starter(CACHE)
    with (
        starter_colony(root / "colony", starter, workers=workers) as queen,
        running_worker(
            root / "direct", engine="xllamacpp", model=starter, context=CONTEXT_TOKENS, slots=1
        ) as direct,
    ):
        direct.wait_ready()
        return asyncio.run(real_drill(queen, direct, kills=kills, workers=workers, seed=seed))


def show(found: Tally, whole_s: float) -> None:
    """Print the figures, and the first faults."""
    pauses = sorted(found.pauses_s)
    print(
        f"answers {found.answers}, kills {found.deaths}, faults {len(found.bad)}, {whole_s:.0f} s"
    )
    if pauses:
        middle, high = pauses[len(pauses) // 2], pauses[int(len(pauses) * 0.99)]
        print(f"added pause p50 {middle * 1e3:.0f} ms, p99 {high * 1e3:.0f} ms, of {len(pauses)}")
    for fault in found.bad[:10]:
        print(" ", fault[:1_500])


def main() -> int:
    """Run one drill as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=["scripted", "real"], default="scripted")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--workers", type=int, default=2, help="of the real engine")
    parser.add_argument("--at-once", type=int, default=2, help="answers at once, scripted")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="keep the figures as JSON")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as root:
        if asked.engine == "scripted":
            found = scripted(
                Path(root), kills=asked.kills or 1_000, at_once=asked.at_once, seed=asked.seed
            )
        else:
            found = real(
                Path(root), kills=asked.kills or 100, workers=asked.workers, seed=asked.seed
            )
    show(found, time.monotonic() - began)
    if asked.out is not None:
        asked.out.write_bytes(msgspec.json.encode(found))
    return 1 if found.bad else 0


if __name__ == "__main__":
    sys.exit(main())
