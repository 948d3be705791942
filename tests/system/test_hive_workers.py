"""A real hive and its real worker processes: made, listed, restarted, ended."""

import os
import signal
from pathlib import Path

import httpx2
import msgspec
import pytest

from rbee.contracts.jobs import (
    JobEvent,
    ModelDelete,
    ModelDownload,
    ModelList,
    WorkerProcessDelete,
    WorkerProcessGet,
    WorkerRestart,
    WorkerSpawn,
)
from rbee.contracts.workers import WorkerProcess, WorkerStats
from rbee.errors import (
    Conflict,
    WorkerNotFound,
)
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


async def test_a_worker_of_the_real_engine_answers_and_is_restarted(
    colony: Colony, starter_path: Path
) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        await client.jobs.collect(ModelDownload(model=str(starter_path)))
        worker = await spawn(client, starter_path.stem, worker="cpu", device=0)
        assert complete(hive, worker)
        first = await details(client, worker.worker_id)
        assert first.load_s is not None
        for _ in range(3):
            assert complete(hive, worker)
        # Its readiness was a request too.
        counted = await until_stats(client, worker.worker_id, slots_busy=0, requests_total=5)
        assert counted.idle_s is not None

        os.kill(worker.pid or 0, signal.SIGKILL)
        again = await until_stats(client, worker.worker_id, generation=2, status="ready")
        assert again.pid != worker.pid
        assert again.port == worker.port
        assert again.restarts == 1
        assert complete(hive, worker)
    hive.stop()
    assert not engine_pids(colony)


async def test_spawn_tells_its_story_and_get_delete_list_know_the_worker(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        events = await client.jobs.collect(WorkerSpawn(model="scripted", hive_id="localhost"))
        assert [event.action for event in events] == [
            "worker_spawn_start",
            "worker_spawn_progress",
            "worker_spawn_health_check",
            "worker_spawn_complete",
        ]
        worker = msgspec.convert(events[-1].data, WorkerProcess)
        assert await listed(client) == [worker]
        by_pid = await client.jobs.collect(WorkerProcessGet(pid=worker.pid))
        assert msgspec.convert(by_pid[-1].data, WorkerStats).worker_id == worker.worker_id
        slots = await until_stats(client, worker.worker_id, slots_busy=0)
        assert (slots.slots_total, slots.unary_cancel) == (4, True)

        deleted = await client.jobs.collect(WorkerProcessDelete(worker_id=worker.worker_id))
        assert [event.action for event in deleted] == [
            "worker_proc_del_start",
            "worker_proc_del_sigterm",
            "worker_proc_del_ok",
        ]
        assert not engine_pids(colony)
        with pytest.raises(WorkerNotFound):
            await client.jobs.collect(WorkerProcessDelete(worker_id="worker-none"))


async def test_a_restart_keeps_the_worker_and_changes_its_process(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        worker = await spawn(client)
        events = await client.jobs.collect(WorkerRestart(worker_id=worker.worker_id))
        assert [event.action for event in events] == [
            "worker_restart_start",
            "worker_proc_del_sigterm",
            "worker_spawn_progress",
            "worker_spawn_health_check",
            "worker_spawn_complete",
        ]
        again = await details(client, worker.worker_id)
        assert (again.generation, again.restarts, again.port) == (2, 0, worker.port)
        assert again.pid != worker.pid
        assert complete(hive, worker)

        await client.jobs.collect(WorkerRestart(pid=again.pid, force=True))
        assert (await details(client, worker.worker_id)).generation == 3
    hive.stop()
    assert not engine_pids(colony)


async def test_a_delete_waits_for_running_requests(colony: Colony) -> None:
    hive = colony.hive(script=script(colony, tokens=20, delay_token_s=0.05))
    async with talking(hive) as client:
        worker = await spawn(client)
        async with (
            httpx2.AsyncClient() as http,
            http.stream(
                "POST",
                f"http://127.0.0.1:{worker.port}/v1/chat/completions",
                json={
                    "model": "scripted",
                    "stream": True,
                    "messages": [{"role": "user", "content": "hi"}],
                },
                headers={"authorization": f"Bearer {key_of(hive, worker.worker_id)}"},
                timeout=30,
            ) as answer,
        ):
            chunks = answer.aiter_text()
            text = await anext(chunks)
            job = await client.jobs.submit(WorkerProcessDelete(pid=worker.pid))
            async for chunk in chunks:
                text += chunk
        assert "[DONE]" in text
        last = [event async for event in client.jobs.events(job.job_id)][-1]
        assert last.action == "worker_proc_del_ok"


async def test_ports_are_reused_and_a_taken_one_is_passed_over(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        one, two = await spawn(client), await spawn(client)
        assert one.port != two.port
        await client.jobs.collect(WorkerProcessDelete(worker_id=one.worker_id, force=True))
        assert (await spawn(client)).port == one.port


async def test_the_same_command_makes_one_worker(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        one = await spawn(client, command_id="c-1", manual=False)
        assert await spawn(client, command_id="c-1", manual=False) == one
        assert len(await listed(client)) == 1
        assert not (await details(client, one.worker_id)).manual


async def test_a_cancelled_spawn_stops_what_it_started(colony: Colony) -> None:
    hive = colony.hive(script=script(colony, never_ready=True))
    async with talking(hive) as client:
        job = await client.jobs.submit(WorkerSpawn(model="scripted"))
        seen: list[JobEvent] = []
        async for event in client.jobs.events(job.job_id):
            seen.append(event)
            if event.action == "worker_spawn_health_check":
                await client.jobs.cancel(job.job_id)
                break
        until_now(lambda: not engine_pids(colony))
        assert "error" not in {event.action for event in seen}


async def test_logs_are_there_during_and_after_a_workers_life(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        worker = await spawn(client)
        async with httpx2.AsyncClient(base_url=hive.url) as http:
            path = f"/v1/workers/{worker.worker_id}/logs"
            assert "generation 1" in (await http.get(path)).text
            assert (await http.get(path, params={"lines": "x"})).status_code == 400
            assert (await http.get("/v1/workers/..%2f..%2fetc/logs")).status_code == 404
            async with http.stream("GET", path, params={"follow": "1"}) as following:
                first = await anext(following.aiter_lines())
                assert first.startswith('data: {"line":')
            await client.jobs.collect(WorkerProcessDelete(worker_id=worker.worker_id))
            assert "generation 1" in (await http.get(path)).text


async def test_a_model_in_use_is_not_deleted(colony: Colony, starter_path: Path) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        await client.jobs.collect(ModelDownload(model=str(starter_path)))
        worker = await spawn(client, starter_path.stem)
        rows = await client.jobs.collect(ModelList())
        assert [row.data["loaded"] for row in rows if row.data and row.data["size_bytes"]] == [True]
        with pytest.raises(Conflict, match="loaded"):
            await client.jobs.collect(ModelDelete(model=starter_path.stem))
        await client.jobs.collect(WorkerProcessDelete(worker_id=worker.worker_id))
        await client.jobs.collect(ModelDelete(model=starter_path.stem))
