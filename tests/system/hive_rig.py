"""What tests of a real hive share: ask it, wait for it, look at its processes."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import msgspec

from rbee.client.hive import HiveClient
from rbee.contracts.jobs import WorkerProcessGet, WorkerProcessList, WorkerSpawn
from rbee.contracts.workers import WorkerProcess, WorkerStats
from rbee.testing.colony import Colony, DaemonUnderTest


@asynccontextmanager
async def talking(hive: DaemonUnderTest) -> AsyncIterator[HiveClient]:
    async with HiveClient(hive.url) as client:
        yield client


async def spawn(client: HiveClient, model: str = "scripted", **more: object) -> WorkerProcess:
    events = await client.jobs.collect(msgspec.convert({"model": model, **more}, WorkerSpawn))
    assert events[-1].action == "worker_spawn_complete"
    return msgspec.convert(events[-1].data, WorkerProcess)


async def listed(client: HiveClient) -> list[WorkerProcess]:
    events = await client.jobs.collect(WorkerProcessList())
    return [
        msgspec.convert(event.data, WorkerProcess)
        for event in events
        if event.action == "worker_proc_list_entry"
    ]


async def details(client: HiveClient, worker_id: str) -> WorkerStats:
    events = await client.jobs.collect(WorkerProcessGet(worker_id=worker_id))
    return msgspec.convert(events[-1].data, WorkerStats)


async def until_stats(client: HiveClient, worker_id: str, **wanted: object) -> WorkerStats:
    end = time.monotonic() + 20
    while True:
        stats = await details(client, worker_id)
        if all(getattr(stats, name) == value for name, value in wanted.items()):
            return stats
        assert time.monotonic() < end, stats
        await anyio.sleep(0.02)  # two cores: leave one to the worker


def key_of(hive: DaemonUnderTest, worker_id: str) -> str:
    return (hive.data / "hive" / "workers" / worker_id / "key").read_text()


def complete(hive: DaemonUnderTest, worker: WorkerProcess) -> str:
    """An answer of the worker itself."""
    answer = httpx2.post(
        f"http://127.0.0.1:{worker.port}/v1/completions",
        json={"model": worker.model, "prompt": "Once", "max_tokens": 4, "ignore_eos": True},
        headers={"authorization": f"Bearer {key_of(hive, worker.worker_id)}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["text"]
    return text


def script(colony: Colony, **fields: object) -> str:
    path = colony.root / "script.json"
    path.write_text(json.dumps(fields))
    return str(path)


def engine_pids(colony: Colony) -> set[int]:
    return {process.pid for process in colony.worker_processes()}
