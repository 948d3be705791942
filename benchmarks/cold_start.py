"""From spawn to the first token: through a hive against the bare engine.

``python benchmarks/cold_start.py`` starts the same model both ways in turn, in one
run, so that both see the same machine: *bare* is the worker process alone, asked
from outside until it answers; *hive* is a spawn job, and the first token asked of
the worker that it names. Both end with one token in the caller's hands. Wanted:
the medians differ by less than 1.2 times. Leaves with 1 when they do not.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx2
import msgspec

from rbee.client.hive import HiveClient
from rbee.contracts.jobs import ModelDownload, WorkerProcessDelete, WorkerSpawn
from rbee.contracts.workers import WorkerProcess
from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.starter import cached_starter
from rbee.testing.workers import running_worker

RATIO_MAX: Final = 1.2
CACHE: Final = Path(__file__).parents[1] / ".cache"  # where the tests keep it too
CONTEXT: Final = 2_048
SLOTS: Final = 2
ROUNDS: Final = 7


def first_token(port: int, key: str, model: str) -> None:
    """Ask for one token and wait for it."""
    answer = httpx2.post(
        f"http://127.0.0.1:{port}/v1/completions",
        json={"model": model, "prompt": "Once", "max_tokens": 1},
        headers={"authorization": f"Bearer {key}"},
        timeout=60,
    )
    assert answer.status_code == httpx2.codes.OK, answer.text


def bare_s(directory: Path, model: Path) -> float:
    """Seconds from the start of the process to its first token."""
    began = time.monotonic()
    with running_worker(
        directory, engine="xllamacpp", model=model, context=CONTEXT, slots=SLOTS
    ) as worker:
        worker.wait_ready()
        first_token(worker.port, worker.key, "starter")
        return time.monotonic() - began


async def hive_s(hive: DaemonUnderTest, client: HiveClient, model: Path) -> tuple[float, float]:
    """Seconds from the spawn job to the first token, and the hive's own load_s."""
    began = time.monotonic()
    asked = WorkerSpawn(model=model.stem, worker="cpu", context_length=CONTEXT, slots=SLOTS)
    events = await client.jobs.collect(asked)
    worker = msgspec.convert(events[-1].data, WorkerProcess)
    spawned = time.monotonic() - began
    key_file = hive.data / "hive" / "workers" / worker.worker_id / "key"
    key = await asyncio.to_thread(key_file.read_text)
    await asyncio.to_thread(first_token, worker.port, key, worker.model)
    took = time.monotonic() - began
    await client.jobs.collect(WorkerProcessDelete(worker_id=worker.worker_id, force=True))
    return took, spawned


async def main() -> int:
    """Measure in turn, print, judge."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rounds", type=int, default=ROUNDS)
    asked.add_argument("--model", type=Path, help="a GGUF file; the starter otherwise")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as root, Colony(Path(root) / "colony") as colony:
        model = options.model or await asyncio.to_thread(cached_starter, CACHE)
        hive = await asyncio.to_thread(colony.hive)
        bare: list[float] = []
        through: list[float] = []
        spawned: list[float] = []
        async with HiveClient(hive.url) as client:
            await client.jobs.collect(ModelDownload(model=str(model)))
            for number in range(options.rounds + 1):
                alone = await asyncio.to_thread(bare_s, Path(root) / f"bare-{number}", model)
                took, ready = await hive_s(hive, client, model)
                if number:  # the first round reads the file into the cache
                    bare.append(alone)
                    through.append(took)
                    spawned.append(ready)
        await asyncio.to_thread(hive.stop)
    ratio = statistics.median(through) / statistics.median(bare)
    figures = {
        "model": model.name,
        "rounds": options.rounds,
        "bare_s": [round(each, 3) for each in bare],
        "hive_s": [round(each, 3) for each in through],
        "median_bare_s": round(statistics.median(bare), 3),
        "median_hive_s": round(statistics.median(through), 3),
        "median_spawn_complete_s": round(statistics.median(spawned), 3),
        "ratio": round(ratio, 3),
        "wanted_below": RATIO_MAX,
    }
    print(json.dumps(figures, indent=1))
    return 0 if ratio < RATIO_MAX else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
