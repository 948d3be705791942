"""Spawn and kill workers for long, kill everything at random, and count what is left.

``python benchmarks/soak_workers.py --cycles 1000`` runs one real hive and the
scripted engine. A cycle is: spawn a worker, do one thing to it (chosen by
``--seed``: stop it well, stop it by force, kill -9 its engine or its shim or both,
see it answer again), and stop it. Every so often the hive itself is killed and
started anew. At the end it looks for orphans, cgroups, ports and descriptors that
leaked, and compares the hives' memory early and late. Leaves with 1 on any finding.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec
import psutil

from rbee.client.hive import HiveClient
from rbee.contracts.jobs import WorkerProcessDelete, WorkerProcessGet, WorkerSpawn
from rbee.contracts.workers import WorkerProcess, WorkerStats
from rbee.errors import RbeeError
from rbee.hive.isolation import cgroups
from rbee.hive.isolation.probe import name_of
from rbee.hive.workers.ports import can_bind
from rbee.testing.colony import Colony, DaemonUnderTest

Deed = Literal["stop", "force", "kill engine", "kill shim", "kill both"]

DEEDS: Final[tuple[Deed, ...]] = ("stop", "force", "kill engine", "kill shim", "kill both")
BACK_S: Final = 60.0  # a killed worker is back within a second; two busy cores need more
SETTLE_S: Final = 10.0  # what ends gets this long to be gone
RSS_GROWTH_MAX: Final = 1.10  # allocators keep some; a leak of 1,000 workers is more
FDS_IN_USE: Final = 3  # a connection to a worker or to the queen that is open at that moment
PORTS_LOOKED_AT: Final = 200
TENTHS: Final = 10  # points of the curve of memory: enough to see its shape
FIRST_PORTS: Final = range(20_000, 30_000, PORTS_LOOKED_AT)
"""Where the run's ports begin: below those that systems give to outgoing connections."""
_MIB: Final = 1024 * 1024


class Sample(msgspec.Struct):
    """One look at a hive: which life of it, at which cycle."""

    life: int
    cycle: int
    rss_mb: float
    fds: int


class Soak:
    """One run."""

    def __init__(self, colony: Colony, cycles: int, together: int, hive_every: int) -> None:
        self.colony = colony
        self.cycles = cycles
        self.together = together
        self.hive_every = hive_every
        self.first_port = next(port for port in FIRST_PORTS if not held(port))
        self.life = 0
        self.done = 0
        self.hive_kills = 0
        self.deeds: dict[str, int] = dict.fromkeys(DEEDS, 0)
        self.samples: list[Sample] = []
        self.trouble: list[str] = []
        self.hive = self._start()

    def _start(self) -> DaemonUnderTest:
        self.life += 1
        return self.colony.hive(
            "soak",
            restarts_max="1000",
            worker_memory_max_mb="512",
            first_worker_port=str(self.first_port),
        )

    async def run(self) -> None:
        """All cycles, in rounds of ``together``; between rounds the hive may be killed."""
        async with HiveClient(self.hive.url) as client:
            await self._round(client, self.together)  # warm: caches and lazy imports
        while self.done < self.cycles:
            async with HiveClient(self.hive.url) as client:
                until = min(self.cycles, self.done + self.hive_every)
                while self.done < until:
                    await self._round(client, min(self.together, until - self.done))
                    self._sample()
            if self.done < self.cycles:
                await self._kill_hive()
        async with HiveClient(self.hive.url) as client:
            await self._round(client, 1)
            self._sample()

    async def _round(self, client: HiveClient, count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._cycle(client))
        self.done += count

    async def _cycle(self, client: HiveClient) -> None:
        deed = random.choice(DEEDS)  # noqa: S311  no secret
        self.deeds[deed] += 1
        try:
            worker = await spawn(client)
            if deed.startswith("kill"):
                await self._kill(client, worker, deed)
            force = deed == "force"
            await client.jobs.collect(WorkerProcessDelete(worker_id=worker.worker_id, force=force))
        except (RbeeError, TimeoutError) as error:
            self.trouble.append(f"{deed}: {error}")

    async def _kill(self, client: HiveClient, worker: WorkerProcess, deed: Deed) -> None:
        before = await look(client, worker.worker_id)
        with suppress(psutil.Error):
            process = psutil.Process(before.pid or 0)
            shim = process.parent()
            if deed != "kill engine" and shim is not None and shim.pid != self.hive.pid:
                shim.kill()
            if deed != "kill shim":
                process.kill()
        if deed == "kill shim":
            return
        async with asyncio.timeout(BACK_S):
            while True:
                now = await look(client, worker.worker_id)
                if now.generation > 1 and now.status == "ready":
                    return
                await asyncio.sleep(0.05)

    async def _kill_hive(self) -> None:
        """Kill the hive while workers start, run and end; the next one has to find them."""
        async with HiveClient(self.hive.url) as client:
            for _ in range(self.together):
                await client.jobs.submit(WorkerSpawn(model="scripted"))
            await asyncio.sleep(random.random() * 0.6)  # noqa: S311  anywhere in their start
        self.hive.send(signal.SIGKILL)
        await asyncio.to_thread(self.hive.wait_end)
        self.hive_kills += 1
        self.hive = await asyncio.to_thread(self._start)
        async with HiveClient(self.hive.url) as client:
            for worker in await self._found(client):
                with suppress(RbeeError):
                    await client.jobs.collect(WorkerProcessDelete(worker_id=worker, force=True))
        left = await gone(self.colony)
        if left:
            self.trouble.append(f"after hive kill {self.hive_kills}: {left} processes of nobody")

    async def _found(self, client: HiveClient) -> list[str]:
        directory = self.hive.data / "hive" / "workers"
        states = [path.parent.name for path in directory.glob("*/state.json")]
        found: list[str] = []
        for worker_id in states:
            with suppress(RbeeError):
                found.append((await look(client, worker_id)).worker_id)
        return found

    def _sample(self) -> None:
        process = psutil.Process(self.hive.pid)
        rss = process.memory_info().rss / _MIB
        self.samples.append(Sample(self.life, self.done, round(rss, 2), process.num_fds()))


async def spawn(client: HiveClient) -> WorkerProcess:
    """A scripted worker that is ready."""
    events = await client.jobs.collect(WorkerSpawn(model="scripted"))
    return msgspec.convert(events[-1].data, WorkerProcess)


async def look(client: HiveClient, worker_id: str) -> WorkerStats:
    """The hive's word on a worker."""
    events = await client.jobs.collect(WorkerProcessGet(worker_id=worker_id))
    return msgspec.convert(events[-1].data, WorkerStats)


async def gone(colony: Colony) -> int:
    """How many worker processes are still there after a while that is long enough."""
    until = time.monotonic() + SETTLE_S
    while True:
        left = len(colony.worker_processes())
        if not left or time.monotonic() > until:
            return left
        await asyncio.sleep(0.1)


def held(first_port: int) -> list[int]:
    """The ports of a run that somebody listens on."""
    ports = range(first_port, first_port + PORTS_LOOKED_AT)
    return [port for port in ports if not can_bind(port)]


def curve(samples: list[Sample]) -> list[float]:
    """Median MiB of each tenth of the hives' longest life: a leak is a line, a cache a knee."""
    lives = {sample.life for sample in samples}
    longest = max(lives, key=lambda life: sum(sample.life == life for sample in samples))
    rss = [sample.rss_mb for sample in samples if sample.life == longest]
    step = max(1, len(rss) // TENTHS)
    parts = [sorted(rss[at : at + step]) for at in range(0, len(rss), step)]
    return [part[len(part) // 2] for part in parts]


def growth(samples: list[Sample]) -> tuple[float, float, float] | None:
    """Median MiB of the first and last quarter of the hives' longest life, and the ratio."""
    lives = {sample.life for sample in samples}
    longest = max(lives, key=lambda life: sum(sample.life == life for sample in samples))
    rss = [sample.rss_mb for sample in samples if sample.life == longest]
    quarter = len(rss) // 4
    if quarter == 0:
        return None
    first = sorted(rss[:quarter])[quarter // 2]
    last = sorted(rss[-quarter:])[quarter // 2]
    return first, last, last / first


async def main() -> int:
    """Run, print the figures as JSON, and judge them."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--cycles", type=int, default=1_000)
    asked.add_argument("--together", type=int, default=4, help="workers at once")
    asked.add_argument("--hive-every", type=int, default=100, help="cycles between hive kills")
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    random.seed(options.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as root, Colony(Path(root)) as colony:
        soak = Soak(colony, options.cycles, options.together, options.hive_every)
        await soak.run()
        orphans = await gone(colony)
        fds_first = next(sample.fds for sample in soak.samples if sample.life == soak.life)
        fds_last = soak.samples[-1].fds
        taken = held(soak.first_port)
        left = leftovers(soak.hive.data / "hive" / "workers")
        status = await asyncio.to_thread(soak.hive.stop)
    grown = growth(soak.samples)
    print(
        json.dumps(
            {
                "cycles": soak.done,
                "deeds": soak.deeds,
                "hive_kills": soak.hive_kills,
                "wall_s": round(time.monotonic() - began, 1),
                "orphans": orphans,
                "cgroups_left": left,
                "ports_leaked": len(taken),
                "fds_of_last_hive": [fds_first, fds_last],
                "rss_mb_first_last_quarter": grown and [grown[0], grown[1]],
                "rss_ratio": grown and round(grown[2], 3),
                "rss_mb_by_tenth": curve(soak.samples),
                "hive_exit": status,
                "trouble": soak.trouble[:20],
                "troubles": len(soak.trouble),
                "machine": f"{os.cpu_count()} cores, {platform.machine()}",
            },
            indent=1,
        )
    )
    flat = grown is None or grown[2] <= RSS_GROWTH_MAX or soak.done < PORTS_LOOKED_AT
    fds_grown = fds_last - fds_first > FDS_IN_USE
    leaked = orphans or left or taken or fds_grown or status
    return 0 if flat and not leaked and not soak.trouble else 1


def leftovers(workers: Path) -> int:
    """Cgroups of these workers that are still there."""
    prefix = name_of(workers, "")
    found = cgroups.find(f"{prefix}look")
    bases = {base for base in (found.memory, found.tasks) if base is not None}
    return sum(path.name.startswith(prefix) for base in bases for path in base.iterdir())


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
