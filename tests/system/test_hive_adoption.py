"""A hive that goes and comes back: its workers live on, are found again, or are ended."""

import json
import os
import signal

import httpx2
import msgspec
import psutil
import pytest

from rbee.contracts.jobs import (
    WorkerSpawn,
)
from rbee.contracts.workers import WorkerProcess
from rbee.testing.colony import Colony
from rbee.testing.waiting import until_now
from system.hive_rig import (
    complete,
    details,
    engine_pids,
    key_of,
    listed,
    script,
    spawn,
    talking,
    until_stats,
)

pytestmark = [pytest.mark.anyio, pytest.mark.system]


async def test_a_killed_hive_leaves_its_worker_and_the_next_one_adopts_it(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        worker = await spawn(client)
    hive.kill()
    assert complete(hive, worker)

    successor = colony.hive()
    async with talking(successor) as client:
        assert await listed(client) == [worker]
        assert (await details(client, worker.worker_id)).generation == 1
        os.kill(worker.pid or 0, signal.SIGKILL)
        again = await until_stats(client, worker.worker_id, generation=2, status="ready")
        assert complete(successor, worker)
        assert again.port == worker.port
    successor.stop()
    assert not engine_pids(colony)


async def test_an_open_stream_gets_every_token_while_its_hive_is_killed_and_started_again(
    colony: Colony,
) -> None:
    slow = script(colony, tokens=60, delay_token_s=0.15)  # a hive starts anew in far less than 9 s
    hive = colony.hive(script=slow)
    async with talking(hive) as client:
        worker = await spawn(client)
    key = key_of(hive, worker.worker_id)
    async with (
        httpx2.AsyncClient() as http,
        http.stream(
            "POST",
            f"http://127.0.0.1:{worker.port}/v1/completions",
            json={"model": "scripted", "prompt": "hi", "stream": True, "max_tokens": 60},
            headers={"authorization": f"Bearer {key}"},
            timeout=30,
        ) as answer,
    ):
        chunks = answer.aiter_text()
        text = await anext(chunks)
        hive.kill()
        successor = colony.hive(script=slow)
        async with talking(successor) as client:
            adopted = await until_stats(client, worker.worker_id, slots_busy=1)
            assert (adopted.generation, adopted.pid) == (1, worker.pid), "and it still answers"
        async for chunk in chunks:
            text += chunk
    events = [line for line in text.splitlines() if line.startswith("data: {")]
    said = [json.loads(line[6:])["choices"][0] for line in events]
    assert len([choice for choice in said if choice["text"]]) == 60
    assert text.rstrip().endswith("data: [DONE]")
    successor.stop()


async def test_sigterm_leaves_the_workers_and_a_shutdown_request_may_too(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        worker = await spawn(client)
    hive.stop(signal.SIGTERM)
    assert complete(hive, worker)
    successor = colony.hive()
    async with talking(successor) as client:
        await client.shutdown(keep_workers=True)
        successor.wait_end()
        assert complete(hive, worker)
    last = colony.hive()
    async with talking(last) as client:
        assert await listed(client) == [worker]
        await client.shutdown()
        last.wait_end()
    assert not engine_pids(colony)


async def test_a_worker_that_died_with_its_hive_is_started_again(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        worker = await spawn(client)
    hive.kill()
    os.kill(worker.pid or 0, signal.SIGKILL)
    until_now(lambda: not engine_pids(colony))
    successor = colony.hive()
    async with talking(successor) as client:
        again = await until_stats(client, worker.worker_id, generation=2, status="ready")
        assert again.pid != worker.pid


async def test_a_process_without_its_state_file_is_ended_and_a_stranger_is_not(
    colony: Colony,
) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        worker = await spawn(client)
    hive.kill()
    directory = hive.data / "hive" / "workers" / worker.worker_id
    state = json.loads((directory / "state.json").read_text())
    stranger = psutil.Popen(["sleep", "60"])
    try:
        (directory / "state.json").unlink()
        state["worker_id"] = "worker-stranger"
        state["engine"]["pid"] = stranger.pid
        other = directory.with_name("worker-stranger")
        other.mkdir()
        (other / "state.json").write_text(json.dumps(state))
        (other / "key").write_text("x" * 40)
        successor = colony.hive(restarts_max="0")
        until_now(lambda: not psutil.pid_exists(worker.pid or 0))
        assert stranger.is_running()
        async with talking(successor) as client:
            assert [each.worker_id for each in await listed(client)] == ["worker-stranger"]
    finally:
        stranger.kill()
        stranger.wait()


async def test_no_hive_for_long_ends_the_worker(colony: Colony) -> None:
    hive = colony.hive(orphan_s="3.0")
    async with talking(hive) as client:
        worker = await spawn(client)
        assert complete(hive, worker)
    hive.kill()
    until_now(lambda: not engine_pids(colony))
    exit_file = hive.data / "hive" / "workers" / worker.worker_id / "exit.json"
    assert json.loads(exit_file.read_text())["orphaned"] is True
    successor = colony.hive()
    async with talking(successor) as client:
        assert await listed(client) == []


async def test_a_second_hive_on_the_same_data_says_who_is_first(colony: Colony) -> None:
    hive = colony.hive()
    second = colony.hive(start=False).start(wait=False)
    assert second.wait_end() == 1
    assert f"process {hive.pid}" in second.said
    assert "Traceback" not in second.said


async def test_a_hive_killed_while_a_worker_loads_leaves_the_load_to_the_next(
    colony: Colony,
) -> None:
    hive = colony.hive(script=script(colony, load_s=2.0))
    async with talking(hive) as client:
        job = await client.jobs.submit(WorkerSpawn(model="scripted"))
        async for event in client.jobs.events(job.job_id):
            if event.action == "worker_spawn_health_check":
                loading = msgspec.convert(event.data, WorkerProcess)
                break
    hive.kill()
    successor = colony.hive()
    async with talking(successor) as client:
        ready = await until_stats(client, loading.worker_id, status="ready")
        assert (ready.pid, ready.generation) == (loading.pid, 1)
