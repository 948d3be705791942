"""A real hive with engines of the operator's: named, tried, spawned, asked, stopped."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from rbee.client.hive import HiveClient
from rbee.contracts.jobs import ModelList, WorkerProcessDelete, WorkerSpawn
from rbee.contracts.models import Model
from rbee.contracts.workers import WorkerProcess
from rbee.errors import CorruptModel, InvalidRequest
from rbee.testing import stand_ins
from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.outside import Outside, outside_server

pytestmark = [pytest.mark.anyio, pytest.mark.system]


@pytest.fixture(scope="module")
def outside(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with outside_server(starter_path, "smol", tmp_path_factory.mktemp("outside") / "log") as found:
        yield found


@pytest.fixture(scope="module")
def hive(outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonUnderTest]:
    tmp = tmp_path_factory.mktemp("hive")
    key_file = tmp / "their-key"
    key_file.write_text(outside.key, encoding="ascii")
    key_file.chmod(0o600)
    plain = stand_ins.install("plain", tmp / "bin" / "plain")
    with Colony(tmp / "colony") as colony:
        hive = colony.hive(start=False)
        config = Path(hive.env["RBEE_CONFIG_DIR"]) / "config.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(
            f'[[hive.upstreams]]\nname = "theirs"\nurl = "{outside.url}"\n'
            f'key_file = "{key_file}"\nmodel = "smol"\n'
            f'[[hive.commands]]\nname = "plain"\nmodel = "name"\n'
            f'argv = ["{plain}", "--port", "{{port}}", "--model", "{{model}}"]\n',
            encoding="utf-8",
        )
        yield hive.start()


async def spawn(client: HiveClient, model: str, worker: str) -> WorkerProcess:
    events = await client.jobs.collect(WorkerSpawn(model=model, worker=worker))
    return msgspec.convert(events[-1].data, WorkerProcess)


async def models(client: HiveClient) -> dict[str, Model]:
    rows = await client.jobs.collect(ModelList())
    found = [msgspec.convert(row.data, Model) for row in rows if row.action == "model_list_entry"]
    return {model.id: model for model in found}


@pytest.mark.parametrize(("model", "worker"), [("tiny-llama", "theirs"), ("mine", "plain")])
async def test_a_relay_serves_under_our_name_and_key(
    hive: DaemonUnderTest, model: str, worker: str
) -> None:
    async with HiveClient(hive.url) as client:
        spawned = await spawn(client, model, worker)
        assert (await models(client))[model].loaded
        key_file = hive.data / "hive" / "workers" / spawned.worker_id / "key"
        key = key_file.read_text(encoding="ascii").strip()
        answer = httpx2.post(
            f"http://127.0.0.1:{spawned.port}/v1/chat/completions",
            json={"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3},
            headers={"authorization": f"Bearer {key}"},
            timeout=60,
        )
        assert answer.json()["choices"][0]["message"]["content"]
        await client.jobs.collect(WorkerProcessDelete(worker_id=spawned.worker_id, force=True))
        assert model not in await models(client)


async def test_a_url_of_the_operators_is_asked_and_a_wrong_model_is_told(
    hive: DaemonUnderTest, outside: Outside
) -> None:
    async with HiveClient(hive.url) as client:
        with pytest.raises(CorruptModel, match="it has: smol"):
            await spawn(client, "nonsense", f"{outside.url}/v1")


@pytest.mark.parametrize(
    "url", ["http://user:secret@127.0.0.1:1", "http://:80", "http://h:99999", "http://h?q=1"]
)
async def test_a_url_that_is_no_servers_is_refused(hive: DaemonUnderTest, url: str) -> None:
    async with HiveClient(hive.url) as client:
        with pytest.raises(InvalidRequest) as refused:
            await spawn(client, "any", url)
        assert "secret" not in str(refused.value)


async def test_engines_are_listed_and_tried_anew(hive: DaemonUnderTest) -> None:
    async with HiveClient(hive.url) as client:
        tried = {engine.name: engine for engine in (await client.probe_engines()).engines}
        assert tried["xllamacpp"].usable
        assert tried["plain"].usable
        assert "rbee engine install vllm" in (tried["vllm"].reason or "")
        assert (await client.engines()).engines == list(tried.values())


async def test_a_slow_trial_does_not_delay_the_hive(tmp_path: Path) -> None:
    slow = tmp_path / "llama-server"
    slow.write_text("#!/bin/sh\nsleep 30\n", encoding="utf-8")
    slow.chmod(0o755)
    with Colony(tmp_path / "colony") as colony:
        hive = colony.hive(start=False, llama_server=str(slow))
        began = time.monotonic()
        hive.start()
        assert time.monotonic() - began < 20
        async with HiveClient(hive.url) as client:
            found = {engine.name: engine for engine in (await client.engines()).engines}
            assert found["llama-server"].version is None
