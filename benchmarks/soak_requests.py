"""The queen's memory over a million requests and twenty thousand streams.

    python benchmarks/soak_requests.py [--requests 1000000] [--streams 20000]

One queen with key, routing, queue and metrics on, four mock workers, 64 clients
that never pause. Her resident memory is sampled four times a second. What was
asked at the beginning fills pools, free lists and bounded rings, so growth is
counted from the first tenth on, for each kind of request on its own. Leaves
with 1 when it is over the limit, or when an answer was not 200.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from native_tools import (
    LOAD_CPU,
    MODEL,
    PROXY_CPU,
    Mock,
    Unbuildable,
    run_load,
    running_mock,
)
from rig import BenchWorker, RunningQueen, running_queen

KEY: Final = "soak-key"
WORKERS: Final = 4
CONNECTIONS: Final = 64
SLICE_S: Final = 5.0  # one call of the load generator; between two nothing rests
WARM_SHARE: Final = 0.1
GROWTH_MAX_MIB: Final = 2.0  # over 900,000 requests: two bytes each would be seen
RESULTS: Final = Path(__file__).with_name("results") / "soak-requests.json"

UNARY: Final = {"max_tokens": 16, "stream": False}
STREAM: Final = {"max_tokens": 20, "seed": 1_000, "stream": True}


class Sample(NamedTuple):
    """After so many answers of a kind: median resident memory of the slice, MiB."""

    answers: int
    rss_mb: float
    per_s: float


class Soaked(NamedTuple):
    """One kind of request."""

    kind: str
    samples: list[Sample]
    bad: int

    @property
    def growth_mib(self) -> float:
        """From the end of the first tenth to the end."""
        wanted = self.samples[-1].answers * WARM_SHARE
        first = next(one for one in self.samples if one.answers >= wanted)
        return self.samples[-1].rss_mb - first.rss_mb


def soak(
    kind: str, fields: Mapping[str, object], count: int, queen: RunningQueen, mock: Mock, home: Path
) -> Soaked:
    """Ask ``count`` times, slice by slice."""
    body = home / f"{kind}.json"
    messages = [{"role": "user", "content": "What is a bee colony? " * 40}]
    body.write_text(json.dumps({"model": MODEL, "messages": messages, **fields}), "utf-8")
    done, bad = 0, 0
    samples: list[Sample] = []
    while done < count:
        options = {"connections": CONNECTIONS, "warm_s": 0.0, "seconds": SLICE_S, "key": KEY}
        places = {"cpu": LOAD_CPU, "pids": queen.process.pid, "mock_pid": mock.pid}
        seen = run_load("loop", queen.port, body, {**options, **places})
        done += seen.answers
        bad += seen.bad_status + seen.failures
        samples.append(Sample(done, statistics.median(seen.rss_mb), seen.answers / seen.window_s))
        print(f"{kind} {done:>9,}  {samples[-1].rss_mb:7.1f} MiB  {samples[-1].per_s:,.0f}/s",
              file=sys.stderr, flush=True)  # fmt: skip
        if not seen.answers:
            raise RuntimeError("the queen has stopped answering")
    return Soaked(kind, samples, bad)


def main() -> int:
    """Soak, print, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--streams", type=int, default=20_000)
    asked = parser.parse_args()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="rbee-soak-") as name,
            running_mock(WORKERS, cpu=LOAD_CPU) as mock,
        ):
            home = Path(name)
            workers = [BenchWorker(port, "worker-key", mock.pid) for port in mock.ports]
            with running_queen(home, workers, key=KEY, cpu=PROXY_CPU) as queen:
                seen = [soak("unary", UNARY, asked.requests, queen, mock, home)]
                if asked.streams:
                    seen.append(soak("stream", STREAM, asked.streams, queen, mock, home))
    except Unbuildable as error:
        print(error, file=sys.stderr)
        return 1
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([one._asdict() for one in seen], indent=1), encoding="utf-8")
    for one in seen:
        last = one.samples[-1]
        print(
            f"{one.kind}: {last.answers:,} answers, {one.bad} bad, "
            f"{one.samples[0].rss_mb:.1f} -> {last.rss_mb:.1f} MiB, "
            f"{one.growth_mib:+.2f} MiB after the first tenth (at most {GROWTH_MAX_MIB:g})"
        )
    return 0 if all(one.growth_mib <= GROWTH_MAX_MIB and not one.bad for one in seen) else 1


if __name__ == "__main__":
    sys.exit(main())
