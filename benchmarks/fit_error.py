"""Estimate against measured memory: the starter in the real worker process.

    python benchmarks/fit_error.py [--model FILE] [--quick]

For each context, number of slots and batch, a worker process loads the model and
reads one prompt longer than a batch, so that every buffer has been touched; its
resident memory is compared with ``rbee.fit``'s total. Prints the table and the
largest error, and ends with 1 when an error is over the one that the fit's
verdicts allow for.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import psutil

from rbee.fit import Estimate, RunSettings, estimate
from rbee.fit.memory import PART_ERROR
from rbee.foundation.gguf import read_header
from rbee.foundation.paths import cache_dir
from rbee.testing.starter import cached_starter
from rbee.testing.workers import running_worker

LOAD_WITHIN_S: Final = 120.0  # two busy cores
_MIB: Final = 1024 * 1024
_WORD: Final = " bee"  # one token in nearly every vocabulary

CASES: Final = (
    (512, 1, 512),
    (2_048, 1, 128),
    (2_048, 1, 512),
    (2_048, 4, 512),
    (2_048, 1, 2_048),
    (8_192, 1, 128),
    (8_192, 1, 512),
    (8_192, 4, 512),
    (8_192, 16, 512),
    (8_192, 4, 1_024),
    (16_384, 4, 512),
    (32_768, 8, 512),
)
QUICK: Final = ((512, 1, 512), (8_192, 4, 512))


class Row(msgspec.Struct, frozen=True):
    """One case: what was said and what was seen, bytes."""

    context: int
    slots: int
    batch: int
    said: Estimate
    seen_bytes: int

    @property
    def error(self) -> float:
        """The estimate's error as a share of what was seen; above 0 is too much."""
        return (self.said.total_bytes or 0) / self.seen_bytes - 1

    @property
    def within(self) -> bool:
        """Whether the truth lies where the verdict looks for it."""
        high = self.said.high_bytes or 0
        return self.said.low_bytes <= self.seen_bytes <= high


def measure(model: Path, context: int, slots: int, batch: int) -> int:
    """Resident bytes of a worker that has read one prompt."""
    with (
        tempfile.TemporaryDirectory(prefix="rbee-fit-") as folder,
        running_worker(
            Path(folder), engine="xllamacpp", model=model, context=context, slots=slots, batch=batch
        ) as worker,
    ):
        worker.wait_ready(LOAD_WITHIN_S)
        words = min(batch + 1, context - 32)
        with worker.client() as client:
            said = client.post("/completion", json={"prompt": _WORD * words, "n_predict": 2})
        said.raise_for_status()
        return psutil.Process(worker.process.pid).memory_info().rss


def rows(model: Path, cases: Sequence[tuple[int, int, int]]) -> list[Row]:
    """Measure every case."""
    facts = read_header(model).facts
    if facts is None:
        raise SystemExit("the header reader gave no facts")
    found: list[Row] = []
    print("context slots batch |  weights   cache compute process |   said    seen   error")
    for context, slots, batch in cases:
        settings = RunSettings(context_tokens=context, slots=slots, ubatch_tokens=batch)
        said = estimate(facts, settings)
        row = Row(context, slots, batch, said, measure(model, context, slots, batch))
        found.append(row)
        parts = (said.weights_bytes, said.kv_bytes, said.compute_bytes, said.overhead_bytes)
        numbers = " ".join(f"{(part or 0) / _MIB:7.1f}" for part in parts)
        print(
            f"{context:7} {slots:5} {batch:5} | {numbers}  |{(said.total_bytes or 0) / _MIB:7.1f} "
            f"{row.seen_bytes / _MIB:7.1f} {row.error:+7.1%}{'' if row.within else '  OUTSIDE'}",
            flush=True,
        )
    return found


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description="Estimated against measured memory.")
    parser.add_argument("--model", type=Path, help="a GGUF file; the starter by default")
    parser.add_argument("--quick", action="store_true", help="two cases instead of twelve")
    asked = parser.parse_args()
    model: Path = asked.model or cached_starter(cache_dir())
    found = rows(model, QUICK if asked.quick else CASES)
    errors = [row.error for row in found]
    mean = sum(map(abs, errors)) / len(errors)
    print(f"error {min(errors):+.1%} to {max(errors):+.1%}, mean {mean:.1%} (MiB above)")
    print(f"allowed: weights exact, the rest within {PART_ERROR:.0%}")
    return 0 if all(row.within for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
