"""The control loop over a real job server: demand in, one spawn out, errors told."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import msgspec
import pytest

from rbee.contracts.jobs import Operation, WorkerSpawn
from rbee.contracts.models import Model
from rbee.contracts.workers import WorkerProcess
from rbee.errors import OutOfMemory
from rbee.foundation import paths
from rbee.foundation.jobserver import Job
from rbee.queen import known_hives
from rbee.queen.settings import Settings
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import Conversation, beat, raw_worker, ready_worker
from rbee.testing.stub_hive import Play, StubHive, stub_hive
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path))


@asynccontextmanager
async def colony(
    play: Play, *, settings: Settings | None = None
) -> AsyncGenerator[tuple[RunningQueen, StubHive]]:
    """A queen and one hive that has the model ``m`` and no worker yet."""
    async with (
        stub_hive(play) as hive,
        running_queen(settings=settings, hive_http=hive.transport) as running,
    ):
        one = beat([])
        one.models = [Model(id="m", name="m", chat_template=True)]
        running.queen.colony.beat(one, anyio.current_time())
        yield running, hive


def show_worker(running: RunningQueen, port: int, *, at: float = 2.0) -> None:
    """The beat that a hive posts when its worker got ready."""
    running.queen.colony.beat(beat([ready_worker("w1", port)], at=at), anyio.current_time())


def a_process(port: int) -> WorkerProcess:
    return WorkerProcess(
        pid=1, worker_id="w1", model="m", port=port, device="CPU-0", engine="raw", status="ready"
    )


async def ask(running: RunningQueen, model: str = "m") -> httpx2.Response:
    return await running.http.post(
        "/v1/chat/completions", json={"model": model, "messages": [], "stream": False}
    )


async def says_hello(conversation: Conversation) -> None:
    await conversation.stream(
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "hel"}}]},
        {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"completion_tokens": 2, "prompt_tokens": 1, "total_tokens": 3}},
    )


async def test_twenty_requests_for_a_cold_model_start_one_worker_and_are_all_answered() -> None:
    async with raw_worker(says_hello) as port:
        told = anyio.Event()

        async def play(job: Job, _operation: Operation) -> None:
            job.emit("worker_spawn_start", "starting")
            await told.wait()
            show_worker(running, port)
            job.emit("worker_spawn_complete", "ready", type="data", data=a_process(port))

        async with colony(play) as (running, hive):
            asking = [asyncio.create_task(ask(running)) for _ in range(20)]
            await until(lambda: running.queen.demand.total == 20 and hive.operations)
            told.set()
            answers = [await one for one in asking]
            assert {answer.status_code for answer in answers} == {200}
            assert answers[0].json()["choices"][0]["message"]["content"] == "hello"
            (operation,) = hive.operations
            assert isinstance(operation, WorkerSpawn)
            assert (operation.model, operation.hive_id, operation.manual) == ("m", "hive", False)
            assert operation.command_id


async def test_a_spawn_that_fails_is_told_to_all_and_not_repeated_at_once() -> None:
    async def play(_job: Job, _operation: Operation) -> None:
        raise OutOfMemory("8 GiB are needed")

    async with colony(play) as (running, hive):
        first = await ask(running)
        second = await ask(running)
        assert (first.status_code, second.status_code) == (503, 503)
        assert "8 GiB are needed" in first.json()["error"]["message"]
        assert first.json()["error"]["remedy"] == OutOfMemory.remedy
        assert 0 < int(second.headers["retry-after"]) <= 10
        assert len(hive.operations) == 1


async def test_while_quiet_requests_wait_for_the_hives_that_were_known_before() -> None:
    file = paths.data_dir() / "queen" / "hives.json"
    known_hives.save(
        file, known_hives.KnownHives(hives=[known_hives.KnownHive(id="late", url="http://l:1")])
    )

    async def play(_job: Job, _operation: Operation) -> None:
        raise OutOfMemory("no")

    async with colony(play, settings=Settings(quiet_s=60.0)) as (running, hive):
        asking = asyncio.create_task(ask(running))
        await until(lambda: running.queen.demand.total == 1)
        await anyio.wait_all_tasks_blocked()
        assert hive.operations == []
        running.queen.colony.beat(beat([], hive_id="late"), anyio.current_time())
        assert (await asking).status_code == 503
        assert len(hive.operations) == 1
    assert {row.id for row in known_hives.load(file).hives} == {"hive", "late"}


async def test_an_infer_job_tells_the_story_of_its_cold_start() -> None:
    async with raw_worker(says_hello) as port:

        async def play(job: Job, _operation: Operation) -> None:
            job.emit("worker_spawn_start", "starting")
            job.emit("worker_spawn_progress", "half", type="progress", data={"pct": 50})
            show_worker(running, port)
            job.emit("worker_spawn_complete", "ready", type="data", data=a_process(port))

        async with colony(play) as (running, _hive):
            operation = {"operation": "infer", "model": "m", "prompt": "Hi"}
            accepted = await running.http.post("/v1/jobs", json=operation)
            stream = await running.http.get(accepted.json()["sse_url"])
            lines = [line[6:] for line in stream.text.splitlines() if line.startswith("data: ")]
            events = [json.loads(line) for line in lines[:-1]]
            actions = [event["action"] for event in events]
            assert actions[:3] == ["infer_start", "infer_queued", "infer_worker_spawn"]
            assert actions[-4:] == ["infer_worker_sel", "token", "token", "infer_complete"]
            assert "worker_spawn_progress" in actions
            assert "".join(e["message"] for e in events if e["type"] == "token") == "hello"
            done = events[-1]["data"]
            assert (done["tokens"], done["finish_reason"], done["worker_id"]) == (2, "stop", "w1")
            assert done["usage"]["completion_tokens"] == 2


async def test_an_infer_job_without_stream_gives_the_text_in_one_piece() -> None:
    async with raw_worker(says_hello) as port:

        async def play(_job: Job, _operation: Operation) -> None:
            raise AssertionError("nothing is to be spawned")

        async with colony(play) as (running, _hive):
            show_worker(running, port)
            operation = {"operation": "infer", "model": "m", "prompt": "Hi", "stream": False}
            accepted = await running.http.post("/v1/jobs", json=operation)
            stream = await running.http.get(accepted.json()["sse_url"])
            lines = [line[6:] for line in stream.text.splitlines() if line.startswith("data: ")]
            events = [json.loads(line) for line in lines[:-1]]
            assert [e["message"] for e in events if e["type"] == "token"] == ["hello"]
            assert events[-1]["data"]["text"] == "hello"


async def test_what_the_worker_is_asked_follows_the_operation() -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    async def play_worker(conversation: Conversation) -> None:
        asked.append((conversation.path, msgspec.json.decode(conversation.body)))
        await conversation.stream({"choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]})

    async def play(_job: Job, _operation: Operation) -> None:
        raise AssertionError("nothing is to be spawned")

    async with raw_worker(play_worker) as port, colony(play) as (running, _hive):
        show_worker(running, port)
        for extra in ({}, {"raw": True, "top_k": 3}):
            operation = {"operation": "infer", "model": "m", "prompt": "Hi", **extra}
            accepted = await running.http.post("/v1/jobs", json=operation)
            await running.http.get(accepted.json()["sse_url"])
    (chat_path, chat), (plain_path, plain) = asked
    assert (chat_path, plain_path) == ("/v1/chat/completions", "/v1/completions")
    assert chat["messages"] == [{"role": "user", "content": "Hi"}]
    assert (chat["max_tokens"], chat["temperature"]) == (100, 0.7)
    assert "top_k" not in chat
    assert (plain["prompt"], plain["top_k"]) == ("Hi", 3)


async def test_a_hives_operation_is_passed_on_with_its_events() -> None:
    async def play(job: Job, _operation: Operation) -> None:
        job.emit("model_list_entry", "m", type="data", data={"id": "m"})

    async with colony(play) as (running, hive):
        operation = {"operation": "model_list", "hive_id": "localhost"}
        accepted = await running.http.post("/v1/jobs", json=operation)
        stream = await running.http.get(accepted.json()["sse_url"])
        event = json.loads(stream.text.splitlines()[1][6:])
        assert (event["action"], event["type"], event["data"], event["actor"]) == (
            "model_list_entry",
            "data",
            {"id": "m"},
            "queen",
        )
        assert hive.operations[0].hive_id == "hive"


async def test_an_error_of_the_hive_keeps_its_code_through_the_queen() -> None:
    async def play(_job: Job, _operation: Operation) -> None:
        raise OutOfMemory("8 GiB are needed", remedy="Less.")

    async with colony(play) as (running, _hive):
        operation = {"operation": "worker_spawn", "model": "m", "hive_id": "hive"}
        accepted = await running.http.post("/v1/jobs", json=operation)
        stream = await running.http.get(accepted.json()["sse_url"])
        event = json.loads(stream.text.splitlines()[1][6:])
        assert (event["action"], event["message"]) == ("error", "8 GiB are needed")
        assert (event["data"]["code"], event["data"]["remedy"]) == ("out_of_memory", "Less.")


async def test_cancelling_a_passed_on_job_cancels_it_on_the_hive() -> None:
    async def play(job: Job, _operation: Operation) -> None:
        job.emit("model_download_start", "m")
        await anyio.sleep_forever()

    async with colony(play) as (running, hive):
        operation = {"operation": "model_download", "model": "m", "hive_id": "hive"}
        job_id = (await running.http.post("/v1/jobs", json=operation)).json()["job_id"]
        await until(hive.jobs.list)
        await running.http.delete(f"/v1/jobs/{job_id}")
        await until(lambda: hive.jobs.list()[0].status == "cancelled")
        await until(lambda: running.queen.jobs.get(job_id).status == "cancelled")
