"""What keeping a job costs: ``POST /v1/jobs`` and the time to its first event, by store.

    python benchmarks/jobs_post.py [--jobs 500] [--postgres]

A real queen, a real hive and a scripted worker that answers with one token, asked
over loopback by one client, then by 32 at once; stores take turns in one run. The
disk decides: each commit waits for it. ``--postgres`` starts a server of its own.
"""

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import httpx2

from rbee.testing.colony import Colony
from rbee.testing.postgres import postgres

BODY = b'{"operation": "infer", "model": "scripted", "prompt": "hi", "max_tokens": 1}'
CLIENTS = (1, 32)


class Times(NamedTuple):
    """Seconds of one job: until its POST was answered, and until its stream ended."""

    post_s: float
    end_s: float


async def one(http: httpx2.AsyncClient) -> Times:
    """One job from its POST to the end of its stream."""
    started = time.perf_counter()
    answer = await http.post("/v1/jobs", content=BODY)
    posted = time.perf_counter()
    stream = await http.get(answer.json()["sse_url"])
    assert stream.text.endswith("data: [DONE]\n\n"), stream.text
    return Times(posted - started, time.perf_counter() - started)


async def measure(url: str, jobs: int, clients: int) -> list[Times]:
    """So many jobs by so many clients."""
    left = iter(range(jobs))
    times: list[Times] = []
    async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:

        async def client() -> None:
            for _ in left:
                seen = await one(http)
                times.append(seen)

        await asyncio.gather(*(client() for _ in range(clients)))
    return times


def row(store: str, clients: int, times: list[Times]) -> str:
    """A line of the table."""
    cells = [store, str(clients)]
    for values in ([one.post_s for one in times], [one.end_s for one in times]):
        cuts = statistics.quantiles(values, n=100)
        cells += [f"{cuts[49] * 1e3:.1f}", f"{cuts[98] * 1e3:.1f}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--postgres", action="store_true")
    wanted = parser.parse_args()
    print("| store | clients | POST p50 ms | p99 | whole job p50 ms | p99 |")
    print("|---|---|---|---|---|---|")
    with contextlib.ExitStack() as stack:
        stores = {"memory": "memory", "sqlite": "sqlite"}
        if wanted.postgres:
            stores["postgres"] = stack.enter_context(postgres(safe=True)).url
        for name, setting in stores.items():
            with tempfile.TemporaryDirectory() as folder, Colony(Path(folder)) as colony:
                queen = colony.queen(store=setting)
                colony.hive()
                asyncio.run(measure(queen.url, 20, 4))  # the worker starts, the code is warm
                for clients in CLIENTS:
                    times = asyncio.run(measure(queen.url, wanted.jobs, clients))
                    print(row(name, clients, times), flush=True)


if __name__ == "__main__":
    main()
