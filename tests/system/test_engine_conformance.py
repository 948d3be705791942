"""Every engine behind the one seam: launched, asked, read, stopped, crashed, misled.

No hive takes part: the launch, the probe and the end that it uses, one engine at a
time; at the end a real hive has the two relays. What is real and what stands in is
written in docs/engines.md.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.to_thread
import httpx2
import msgspec
import psutil
import pytest

from rbee.contracts.exits import WorkerExit
from rbee.foundation.installs import INSTALLED_FILE, Installed
from rbee.foundation.processes import end_tree, mark
from rbee.hive.engine_settings import CommandSettings, UpstreamSettings
from rbee.hive.engines.catalog import Engines, make_engines
from rbee.hive.engines.command import Command
from rbee.hive.engines.engine import Engine, LaunchSpec, Place
from rbee.hive.engines.installed import home_of, program_of, python_tag
from rbee.hive.engines.llama_server import LlamaServer
from rbee.hive.engines.openai_url import OpenAIUrl
from rbee.hive.engines.scripted import Scripted
from rbee.hive.engines.vllm import Vllm
from rbee.hive.engines.xllamacpp import XLlamaCpp
from rbee.hive.workers import adoption, logs
from rbee.hive.workers.launching import STOP_GRACE_S
from rbee.hive.workers.probe import Probe, Target, Whose
from rbee.testing import stand_ins
from rbee.testing.outside import Outside, outside_server
from rbee.testing.waiting import until
from rbee.testing.workers import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.system]

READY_WITHIN_S = 60.0
END_WITHIN_S = 20.0
QUESTION = [{"role": "user", "content": "Count upwards from one."}]


class Case(NamedTuple):
    """An engine, what it is asked to load, and what it says to a model that is none."""

    engine: Engine
    model: str
    path: str | None
    upstream: str | None = None
    wrong: str | None = ""
    """A path or a name that is no model of its; None: it loads nothing."""
    says: str = ""


class Worker(NamedTuple):
    process: subprocess.Popen[bytes]
    log: Path
    probe: Probe
    client: httpx2.AsyncClient
    port: int

    async def wait_end(self) -> int:
        """Its exit status."""
        with anyio.fail_after(END_WITHIN_S):
            return await anyio.to_thread.run_sync(self.process.wait, abandon_on_cancel=True)

    @property
    def words(self) -> str:
        """Why it ended, as a hive would tell it."""
        return logs.last_words(self.log) or ""


@pytest.fixture(scope="module")
def outside(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    log = tmp_path_factory.mktemp("outside") / "log"
    with outside_server(starter_path, "smol", log) as found:
        yield found


def xllamacpp(tmp: Path, request: pytest.FixtureRequest) -> Case:
    return Case(XLlamaCpp(), "starter", _starter(request), wrong=_no_model(tmp), says="not a GGUF")


def scripted(_tmp: Path, _request: pytest.FixtureRequest) -> Case:
    return Case(Scripted(), "scripted", None, wrong=None)


def llama_server(tmp: Path, request: pytest.FixtureRequest) -> Case:
    program = stand_ins.install("llama-server", tmp / "bin" / "llama-server")
    engine = LlamaServer(str(program))
    return Case(engine, "starter", _starter(request), wrong=_no_model(tmp), says="not a GGUF")


def vllm(tmp: Path, request: pytest.FixtureRequest) -> Case:
    _install_vllm(request.getfixturevalue("monkeypatch"), tmp)
    folder = tmp / "a-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    return Case(Vllm(), "a-model", str(folder), wrong=str(tmp / "nowhere"), says="not there")


def openai_url(tmp: Path, request: pytest.FixtureRequest) -> Case:
    server: Outside = request.getfixturevalue("outside")
    key_file = tmp / "upstream-key"
    key_file.write_text(server.key, encoding="ascii")
    key_file.chmod(0o600)
    known = UpstreamSettings(name="mine", url=f"{server.url}/v1/", key_file=str(key_file))
    engine = OpenAIUrl([known])
    return Case(
        engine, "smol", None, upstream=engine.server_of("Mine"), wrong="other", says="it has: smol"
    )


def command(tmp: Path, _request: pytest.FixtureRequest) -> Case:
    program = str(stand_ins.install("plain", tmp / "bin" / "plain"))
    argv = [program, "--port", "{port}", "--model", "{model}"]
    engine = Command(CommandSettings(name="Plain", argv=argv))
    return Case(engine, "mine", "/models/mine", wrong="wrong-model", says="no model at wrong-model")


CASES = [xllamacpp, scripted, llama_server, vllm, openai_url, command]


@pytest.fixture(params=CASES, ids=lambda case: case.__name__)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    del monkeypatch  # asked for here, so that it is undone after everything else
    make: Callable[[Path, pytest.FixtureRequest], Case] = request.param
    return make(tmp_path, request)


@asynccontextmanager
async def launched(case: Case, tmp: Path, *, wrong: bool = False) -> AsyncGenerator[Worker]:
    """Start it as a hive does; nothing of it is left after the block."""
    root = tmp / "workers"
    directory = root / "worker-1"
    directory.mkdir(parents=True)
    key, port = secrets.token_hex(16), free_port()
    (directory / "key").write_text(key, encoding="ascii")
    is_name = case.upstream is not None
    spec = LaunchSpec(
        engine=case.engine.name,
        model=(case.wrong or "") if wrong and is_name else case.model,
        model_path=case.wrong if wrong and not is_name else case.path,
        task="generate",
        context_tokens=1024,
        slots=2,
        device_ids=("CPU-0",),
        threads=2,
        upstream=case.upstream,
    )
    place = Place(directory=directory, key_file=directory / "key", host="127.0.0.1", port=port)
    launch = case.engine.launch(spec, place)
    assert key not in json.dumps([launch.argv, launch.env])
    log = logs.log_path(directory)
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: ASYNC220  a start takes 2 ms
            launch.argv,
            env=launch.env,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            process_group=0,
        )
    engine_mark = mark(process.pid)
    target = Target(
        host="127.0.0.1",
        port=port,
        key=key,
        model=spec.model,
        task="generate",
        face=case.engine.face,
    )
    probe = Probe(target)
    client = httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"authorization": f"Bearer {key}"},
        limits=httpx2.Limits(max_keepalive_connections=0),
        timeout=READY_WITHIN_S,
    )
    try:
        yield Worker(process, log, probe, client, port)
    finally:
        await client.aclose()
        await probe.aclose()
        if engine_mark is not None and process.poll() is None:
            await end_tree(engine_mark, grace_s=STOP_GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # as the shim does after the engine's end
        process.wait()
        await until(lambda: adoption.strays(root, set()) == [])


async def ready(worker: Worker) -> None:
    with anyio.move_on_after(READY_WITHIN_S) as scope:
        await worker.probe.wait_ready()
    assert not scope.cancelled_caught, worker.log.read_text(encoding="utf-8")


async def test_from_launch_to_a_stop_that_leaves_nothing(case: Case, tmp_path: Path) -> None:
    async with launched(case, tmp_path) as worker:
        await ready(worker)
        assert await worker.probe.whose() is Whose.OURS
        body = {"model": case.model, "messages": QUESTION, "max_tokens": 4, "ignore_eos": True}
        whole = await worker.client.post("/v1/chat/completions", json=body)
        assert whole.status_code == 200, whole.text
        assert whole.json()["choices"][0]["message"]["content"]
        assert whole.json()["usage"]["completion_tokens"] == 4

        streamed = await worker.client.post("/v1/chat/completions", json={**body, "stream": True})
        assert streamed.headers["content-type"].startswith("text/event-stream")
        events = [line for line in streamed.text.split("\n") if line.startswith("data: ")]
        assert events[-1] == "data: [DONE]"
        pieces = [json.loads(event[6:]) for event in events[:-1]]
        assert any(p["choices"] and p["choices"][0]["delta"].get("content") for p in pieces)

        reading = await worker.probe.read(case.engine)
        assert reading.slots_total in {2, None}
        assert reading.slots_busy == 0
        assert reading.queued == 0
        assert reading.tokens_total is not None
        assert reading.tokens_total >= 8
        assert (await worker.probe.slots(case.engine)).slots_busy == 0
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a worker's own start
        again.bind(("127.0.0.1", worker.port))


async def test_without_the_key_nobody_is_served(case: Case, tmp_path: Path) -> None:
    async with launched(case, tmp_path) as worker:
        await ready(worker)
        answer = await worker.client.post(
            "/v1/chat/completions",
            json={"model": case.model, "messages": QUESTION},
            headers={"authorization": "Bearer wrong"},
        )
        assert answer.status_code == 401


async def test_a_crash_is_told_with_its_signal(case: Case, tmp_path: Path) -> None:
    async with launched(case, tmp_path) as worker:
        await ready(worker)
        os.kill(worker.process.pid, signal.SIGKILL)
        assert await worker.wait_end() == -signal.SIGKILL
        assert await worker.probe.whose() is not Whose.OURS


async def test_a_model_that_is_none_is_told_with_a_reason(case: Case, tmp_path: Path) -> None:
    if case.wrong is None:  # the scripted engine loads nothing, so nothing can be wrong
        assert case.path is None
        return
    async with launched(case, tmp_path, wrong=True) as worker:
        assert await worker.wait_end() > 0
        assert case.says in worker.words


async def test_it_is_usable_after_its_trial(case: Case, tmp_path: Path) -> None:
    engines = Engines([case.engine])
    await engines.probe(tmp_path / "engines.json", afresh=True)
    (info,) = engines.infos()
    assert (info.usable, info.reason) == (True, None)


async def test_a_command_that_dies_later_ends_its_worker(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = command(tmp_path, request)
    async with launched(made, tmp_path) as worker:
        await ready(worker)
        (child,) = psutil.Process(worker.process.pid).children()
        child.send_signal(signal.SIGILL)
        assert await worker.wait_end() == WorkerExit.CRASHED
        assert "SIGILL" in worker.words


async def test_what_is_not_installed_or_crashes_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", str(tmp_path))
    dying = tmp_path / "llama-server"
    dying.write_text(
        f"#!{sys.executable}\nimport os, signal\nos.kill(os.getpid(), signal.SIGILL)\n",
        encoding="utf-8",
    )
    dying.chmod(0o755)
    command = CommandSettings(name="gone", argv=["/nowhere/server", "{port}"])
    engines = make_engines(scripted=False, script=None, commands=[command])
    await engines.probe(tmp_path / "engines.json")
    reasons = {info.name: info.reason or "" for info in engines.infos()}
    assert "SIGILL" in reasons["llama-server"]
    assert "rbee engine install vllm" in reasons["vllm"]
    assert "rbee engine install cuda" in reasons["xllamacpp-cuda"]
    assert "/nowhere/server" in reasons["gone"]
    dying.unlink()
    await engines.probe(tmp_path / "engines.json")
    reasons = {info.name: info.reason or "" for info in engines.infos()}
    assert "PATH" in reasons["llama-server"]


def _starter(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("starter_path"))


def _no_model(tmp: Path) -> str:
    path = tmp / "no-model.gguf"
    path.write_bytes(b"this is no model at all")
    return str(path)


def _install_vllm(monkeypatch: pytest.MonkeyPatch, tmp: Path) -> None:
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp / "data"))
    stand_ins.install("vllm", program_of("vllm", "vllm"))
    done = Installed(package="vllm", version="0.0.0", python=python_tag())
    (home_of("vllm") / INSTALLED_FILE).write_bytes(msgspec.json.encode(done))
