"""A real hive and its real worker processes: made, lost, found again, ended."""

import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import msgspec
import psutil
import pytest

from rbee.client.hive import HiveClient
from rbee.contracts.jobs import (
    JobEvent,
    ModelDelete,
    ModelDownload,
    ModelList,
    WorkerProcessDelete,
    WorkerProcessGet,
    WorkerProcessList,
    WorkerSpawn,
)
from rbee.contracts.workers import WorkerProcess, WorkerStats
from rbee.errors import (
    Conflict,
    CorruptModel,
    EngineError,
    HiveNotFound,
    InvalidRequest,
    RbeeError,
    WorkerNotFound,
)
from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.waiting import until_now

pytestmark = [pytest.mark.anyio, pytest.mark.system]


@pytest.fixture
def colony(tmp_path: Path) -> Iterator[Colony]:
    with Colony(tmp_path) as colony:
        yield colony


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
        json={"model": worker.model, "prompt": "Once", "max_tokens": 4},
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


async def test_a_spent_budget_ends_in_error_with_the_reason(colony: Colony) -> None:
    hive = colony.hive(script=script(colony, load_s=0.05, exit_while_loading=68), restarts_max="1")
    async with talking(hive) as client:
        with pytest.raises(EngineError, match=r"could not load the model; it died 2 times"):
            await client.jobs.collect(WorkerSpawn(model="scripted"))
        (worker,) = await listed(client)
        assert worker.status == "error"
        assert "died 2 times" in (worker.reason or "")
        await client.jobs.collect(WorkerProcessDelete(worker_id=worker.worker_id))


async def test_a_corrupt_model_is_a_clear_error_at_once(colony: Colony, starter_path: Path) -> None:
    cut = colony.root / "cut.gguf"
    shutil.copyfile(starter_path, cut)
    hive = colony.hive()
    async with talking(hive) as client:
        await client.jobs.collect(ModelDownload(model=str(cut)))
        os.truncate(cut, 10_000_000)
        with pytest.raises(CorruptModel, match="cut"):
            await client.jobs.collect(WorkerSpawn(model="cut"))


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


async def test_a_load_that_takes_too_long_is_an_error(colony: Colony) -> None:
    hive = colony.hive(script=script(colony, never_ready=True), load_s="1")
    async with talking(hive) as client:
        with pytest.raises(EngineError, match="not ready within 1 s"):
            await client.jobs.collect(WorkerSpawn(model="scripted"))
        until_now(lambda: not engine_pids(colony))


async def test_no_hive_for_long_ends_the_worker(colony: Colony) -> None:
    hive = colony.hive(orphan_s="1.0")
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


async def test_refusals_name_what_there_is(colony: Colony) -> None:
    hive = colony.hive("alpha")
    async with talking(hive) as client:
        refused: list[tuple[WorkerSpawn, type[RbeeError], str]] = [
            (WorkerSpawn(model="scripted", worker="warp"), InvalidRequest, "warp"),
            (WorkerSpawn(model="scripted", worker="cuda"), EngineError, "cuda"),
            (WorkerSpawn(model="scripted", device=3), InvalidRequest, "device 3"),
            (WorkerSpawn(model="scripted", hive_id="beta"), HiveNotFound, "alpha"),
        ]
        for operation, kind, words in refused:
            with pytest.raises(kind, match=words):
                await client.jobs.collect(operation)
        models = await client.jobs.collect(ModelList())
        assert models[0].data["id"] == "scripted"


async def test_a_second_hive_on_the_same_data_says_who_is_first(colony: Colony) -> None:
    hive = colony.hive()
    second = colony.hive(start=False).start(wait=False)
    assert second.wait_end() == 1
    assert f"process {hive.pid}" in second.said
    assert "Traceback" not in second.said


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


async def test_no_secret_is_in_an_argv_or_an_environment(colony: Colony) -> None:
    colony.key = "colony-key-that-nobody-may-see"
    hive = colony.hive()
    async with HiveClient(hive.url, key=colony.key) as client:
        worker = await spawn(client)
    secrets = {colony.key, key_of(hive, worker.worker_id)}
    processes = colony.worker_processes()
    assert len(processes) == 2
    for process in processes:
        words = " ".join([*process.cmdline(), *process.environ().values()])
        if process.pid == worker.pid:
            assert not any(secret in words for secret in secrets)
        assert not any(secret in " ".join(process.cmdline()) for secret in secrets)


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


async def test_a_lost_shim_costs_no_request_and_the_engine_is_still_restarted(
    colony: Colony,
) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        worker = await spawn(client)
        (shim,) = [each for each in colony.worker_processes() if each.pid != worker.pid]
        shim.kill()
        assert complete(hive, worker)
        assert (await details(client, worker.worker_id)).status == "ready"
        os.kill(worker.pid or 0, signal.SIGKILL)
        again = await until_stats(client, worker.worker_id, generation=2, status="ready")
        assert again.restarts == 1


async def test_an_engine_that_hears_nothing_is_killed(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        worker = await spawn(client)
        os.kill(worker.pid or 0, signal.SIGSTOP)
        events = await client.jobs.collect(
            WorkerProcessDelete(worker_id=worker.worker_id, force=True)
        )
        assert events[-1].action == "worker_proc_del_ok"
        assert not engine_pids(colony)


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


async def test_the_worker_answers_nobody_without_its_key(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        worker = await spawn(client)
    refused = httpx2.post(f"http://127.0.0.1:{worker.port}/v1/completions", json={"prompt": "x"})
    assert refused.status_code == 401
