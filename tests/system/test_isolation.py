"""What is said to guard a worker really does; who goes over its memory dies alone."""

import sys
from pathlib import Path

import httpx2
import pytest

from rbee.contracts.workers import WorkerProcess
from rbee.testing.colony import Colony, DaemonUnderTest
from system.hive_rig import complete, details, key_of, spawn, talking, until_stats

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.system,
    pytest.mark.skipif(sys.platform != "linux", reason="cgroups and prctl are Linux's"),
]


def eat(hive: DaemonUnderTest, worker: WorkerProcess, size_mb: int) -> None:
    """A request that makes the worker take so much memory; it may not live to answer."""
    prompt = f'[[script {{"eat_mb": {size_mb}}}]] Once'
    with pytest.raises(httpx2.HTTPError):
        httpx2.post(
            f"http://127.0.0.1:{worker.port}/v1/completions",
            json={"model": worker.model, "prompt": prompt, "max_tokens": 4, "ignore_eos": True},
            headers={"authorization": f"Bearer {key_of(hive, worker.worker_id)}"},
            timeout=30,
        )


def proc(worker: WorkerProcess, name: str) -> str:
    """What the kernel says of the worker's process."""
    return Path(f"/proc/{worker.pid}/{name}").read_text()


async def test_what_is_said_to_be_in_force_is(colony: Colony) -> None:
    hive = colony.hive(worker_memory_max_mb="512")
    async with talking(hive) as client:
        worker = await spawn(client)
        stats = await details(client, worker.worker_id)
    guards = {each.name: each for each in stats.isolation or []}
    assert all(each.reason for each in guards.values())
    status = proc(worker, "status")
    assert ("NoNewPrivs:\t1" in status) == guards["no_new_privileges"].in_force
    assert guards["no_new_privileges"].in_force
    own = proc(worker, "cgroup")
    for name in ("memory", "tasks"):
        if guards[name].in_force:
            assert "/rbee-" in own
    limits = proc(worker, "limits").splitlines()
    assert next(line for line in limits if "core file" in line).split()[4] == "0"
    mounts = proc(worker, "mountinfo").splitlines()
    usr = [line for line in mounts if line.split()[4] in {"/", "/usr"}][-1]
    if guards["read_only_system"].in_force:
        assert usr.split()[5].startswith("ro")


async def test_a_worker_over_its_memory_dies_alone_and_that_is_told(colony: Colony) -> None:
    hive = colony.hive(worker_memory_max_mb="256", restarts_max="0")
    async with talking(hive) as client:
        one, two = await spawn(client), await spawn(client)
        guards = {
            each.name: each for each in (await details(client, one.worker_id)).isolation or []
        }
        if not guards["memory"].in_force:
            pytest.skip(f"no memory limit here: {guards['memory'].reason}")
        eat(hive, one, 1_024)
        ended = await until_stats(client, one.worker_id, status="error")
        assert "went over its memory limit of 256 MiB" in (ended.reason or "")
        other = await details(client, two.worker_id)
        assert (other.status, other.pid, other.generation) == ("ready", two.pid, 1)
        assert complete(hive, two)


async def test_nothing_is_done_when_isolation_is_off(colony: Colony) -> None:
    hive = colony.hive(isolation="off", worker_memory_max_mb="256")
    async with talking(hive) as client:
        worker = await spawn(client)
        stats = await details(client, worker.worker_id)
        assert not any(each.in_force for each in stats.isolation or [])
        assert "/rbee-" not in proc(worker, "cgroup")
