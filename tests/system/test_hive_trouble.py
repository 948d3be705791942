"""What goes wrong with workers and requests ends in a clear error and in no leftovers."""

import os
import shutil
import signal
from pathlib import Path

import httpx2
import pytest

from rbee.client.hive import HiveClient
from rbee.contracts.jobs import (
    ModelDownload,
    ModelList,
    WorkerProcessDelete,
    WorkerSpawn,
)
from rbee.contracts.workers import WorkerProcess
from rbee.errors import (
    CorruptModel,
    EngineError,
    HiveNotFound,
    InvalidRequest,
    RbeeError,
)
from rbee.testing.colony import Colony, DaemonUnderTest
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


async def test_a_load_that_takes_too_long_is_an_error(colony: Colony) -> None:
    hive = colony.hive(script=script(colony, never_ready=True), load_s="1")
    async with talking(hive) as client:
        with pytest.raises(EngineError, match="not ready within 1 s"):
            await client.jobs.collect(WorkerSpawn(model="scripted"))
        until_now(lambda: not engine_pids(colony))


async def test_refusals_name_what_there_is(colony: Colony) -> None:
    hive = colony.hive("alpha")
    async with talking(hive) as client:
        refused: list[tuple[WorkerSpawn, type[RbeeError], str]] = [
            (WorkerSpawn(model="scripted", worker="warp"), InvalidRequest, "warp"),
            (WorkerSpawn(model="scripted", device=3), InvalidRequest, "device 3"),
            (WorkerSpawn(model="scripted", hive_id="beta"), HiveNotFound, "alpha"),
        ]
        for operation, kind, words in refused:
            with pytest.raises(kind, match=words):
                await client.jobs.collect(operation)
        with pytest.raises(InvalidRequest, match="rocm") as none_such:
            await client.jobs.collect(WorkerSpawn(model="scripted", worker="rocm"))
        assert "CPU-0" in (none_such.value.remedy or "")
        models = await client.jobs.collect(ModelList())
        assert models[0].data["id"] == "scripted"


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


async def test_the_worker_answers_nobody_without_its_key(colony: Colony) -> None:
    hive = colony.hive()
    async with talking(hive) as client:
        worker = await spawn(client)
    refused = httpx2.post(f"http://127.0.0.1:{worker.port}/v1/completions", json={"prompt": "x"})
    assert refused.status_code == 401


async def ask_to_hang(hive: DaemonUnderTest, worker: WorkerProcess) -> None:
    """A streamed request whose answer stops for good; returns when the connection ends."""
    async with (
        httpx2.AsyncClient(timeout=30) as http,
        http.stream(
            "POST",
            f"http://127.0.0.1:{worker.port}/v1/completions",
            json={
                "model": worker.model,
                "prompt": '[[script {"hang_at_token": 3}]]',
                "stream": True,
            },
            headers={"authorization": f"Bearer {key_of(hive, worker.worker_id)}"},
        ) as answer,
    ):
        with pytest.raises(httpx2.HTTPError):
            await answer.aread()


async def test_an_engine_that_hangs_is_restarted_and_at_last_given_up(colony: Colony) -> None:
    hive = colony.hive(hang_s="1", restarts_max="1")
    async with talking(hive) as client:
        worker = await spawn(client)
        await ask_to_hang(hive, worker)
        again = await until_stats(client, worker.worker_id, generation=2, status="ready")
        assert (again.restarts, again.port) == (1, worker.port)
        assert complete(hive, worker)
        assert "made no token for" in hive.said
        await ask_to_hang(hive, worker)
        given_up = await until_stats(client, worker.worker_id, status="error")
        assert "it hung (it had 1 requests and made no token" in (given_up.reason or "")
        assert "it hung 2 times" in (given_up.reason or "")
        until_now(lambda: not engine_pids(colony))
