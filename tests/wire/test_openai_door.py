"""The OpenAI door as bytes on the wire: all three prefixes, whole, streamed, refused, left.

The door stands in front of raw workers; where the connection itself matters it is
served by a real uvicorn on a real socket (a server takes 0.2 s to stop).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import httpx2
import msgspec
import pytest

from rbee.contracts.workers import Task
from rbee.errors import NoCapacity
from rbee.foundation.http.gate import make_policy
from rbee.foundation.http.server import bind, make_server, port_of
from rbee.queen.api.openai import EARLY_HEAD_S, OpenAIDoor
from rbee.queen.inference.admission import Admission, Limits
from rbee.queen.inference.dispatch import Dispatcher
from rbee.queen.inference.pool import Pool
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.demand import Demand
from rbee.queen.scheduling.rates import Rates
from rbee.queen.tally import Tally
from rbee.testing.raw_worker import Conversation, Play, beat, raw_worker, ready_worker
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

PREFIXES = ["/v1", "/openai/v1", "/openai"]
CHAT = {"model": "alias", "messages": [{"role": "user", "content": "hi"}]}


class Door(NamedTuple):
    client: httpx2.AsyncClient
    demand: Demand
    admission: Admission


@asynccontextmanager
async def door(
    *plays: Play,
    task: Task = "generate",
    slots: int = 2,
    limits: Limits | None = None,
    early_head_s: float = EARLY_HEAD_S,
    real: bool = False,
) -> AsyncGenerator[Door]:
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(raw_worker(play)) for play in plays]
        colony, demand = Colony(), Demand()
        workers = [
            ready_worker(f"w{i}", port, slots=slots, task=task) for i, port in enumerate(ports)
        ]
        colony.beat(beat(workers, names=["alias"]), 1.0)
        admission = Admission(colony, demand, limits or Limits())
        pool = Pool()
        stack.callback(pool.close)
        dispatcher = Dispatcher(colony, admission, pool)
        app = OpenAIDoor(dispatcher, colony, Tally(), Rates(), early_head_s=early_head_s)
        if not real:
            wire = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(base_url="http://door", transport=wire) as client:
                yield Door(client, demand, admission)
            return
        sockets = bind("127.0.0.1", 0)
        policy = make_policy("127.0.0.1", port_of(sockets[0]), key=None, hosts=[], origins=[])
        server = make_server(app, app.hot(policy))
        serving = asyncio.create_task(server.serve(sockets=sockets))
        url = f"http://127.0.0.1:{port_of(sockets[0])}"
        try:
            async with httpx2.AsyncClient(base_url=url, timeout=20) as client:
                yield Door(client, demand, admission)
        finally:
            server.should_exit = True
            await serving


def delta(content: str | None, finish: str | None = None) -> dict[str, object]:
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}],
    }


async def speak(wire: Conversation) -> None:
    await wire.stream(delta(""), delta("Hel"), delta("lo"), delta(None, "stop"))


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_every_prefix_answers_chat_whole_and_streamed(prefix: str) -> None:
    async with door(speak) as at:
        whole = await at.client.post(f"{prefix}/chat/completions", json=CHAT)
        assert whole.status_code == 200
        assert whole.json()["choices"][0]["message"]["content"] == "Hello"
        assert whole.headers["x-rbee-worker"] == "w0"
        assert whole.headers["x-rbee-hive"] == "hive"
        assert whole.headers["x-rbee-job"].startswith("job-")
        assert whole.headers["x-rbee-queue-ms"] == "0"
        assert whole.headers["x-request-id"] == whole.headers["x-rbee-job"]
        streamed = await at.client.post(f"{prefix}/chat/completions", json={**CHAT, "stream": True})
        assert streamed.headers["content-type"] == "text/event-stream"
        assert streamed.text.endswith("data: [DONE]\n\n")
        assert "server" not in streamed.headers


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_models_are_listed_and_found_by_any_name(prefix: str) -> None:
    async with door(speak) as at:
        listing = (await at.client.get(f"{prefix}/models")).json()
        assert [row["id"] for row in listing["data"]] == ["m"]
        assert listing["data"][0]["owned_by"] == "rbee"
        assert listing["data"][0]["rbee"]["state"] == "ready"
        one = (await at.client.get(f"{prefix}/models/alias")).json()
        assert one["id"] == "m"
        missing = await at.client.get(f"{prefix}/models/org/repo")
        assert missing.status_code == 404
        assert missing.json()["error"]["code"] == "model_not_found"


async def test_the_body_is_forwarded_untouched_to_an_engine_that_streams() -> None:
    seen: list[Conversation] = []

    async def play(wire: Conversation) -> None:
        seen.append(wire)
        await speak(wire)

    body = b'{ "model" : "alias","stream": true , "messages":[], "unknown": {"a" : 1.0} }'
    async with door(play) as at:
        await at.client.post("/v1/chat/completions", content=body)
    assert seen[0].body == body
    assert seen[0].path == "/v1/chat/completions"
    assert b"secret" in seen[0].head


async def test_embeddings_pass_through() -> None:
    async def play(wire: Conversation) -> None:
        assert wire.path == "/v1/embeddings"
        await wire.answer(200, {"data": [{"embedding": [1.0]}]})

    async with door(play, task="embeddings") as at:
        answer = await at.client.post("/v1/embeddings", json={"model": "m", "input": "x"})
        assert answer.json() == {"data": [{"embedding": [1.0]}]}


@pytest.mark.parametrize(
    ("content", "status", "code", "param"),
    [
        (b"", 400, "invalid_request", "$"),
        (b"{", 400, "invalid_request", "$"),
        (b"[]", 400, "invalid_request", "$"),
        (b'{"messages": []}', 400, "invalid_request", "$.model"),
        (b'{"model": 7}', 400, "invalid_request", "$.model"),
        (b'{"model": ""}', 400, "invalid_request", "$.model"),
        (b'{"model": "m", "stream": "yes"}', 400, "invalid_request", "$.stream"),
        (b'{"model": "nope"}', 404, "model_not_found", "model"),
    ],
)
async def test_bad_input_is_named(content: bytes, status: int, code: str, param: str) -> None:
    async with door(speak) as at:
        answer = await at.client.post("/v1/chat/completions", content=content)
        error = answer.json()["error"]
        assert answer.status_code == status
        assert (error["code"], error["param"]) == (code, param)
        assert error["message"]
        assert error["remedy"]


async def test_methods_deadlines_and_sizes_are_checked() -> None:
    async def play(wire: Conversation) -> None:
        await wire.left()

    async with door(play) as at:
        assert (await at.client.get("/v1/chat/completions")).status_code == 405
        assert (await at.client.post("/v1/models", content=b"{}")).status_code == 405
        late = await at.client.post("/v1/completions", json=CHAT, headers={"x-deadline-s": "0.2"})
        assert late.status_code == 504
        assert late.json()["error"]["code"] == "deadline"
        bad = await at.client.post("/v1/completions", json=CHAT, headers={"x-deadline-s": "soon"})
        assert bad.status_code == 400
        large = await at.client.post("/v1/completions", content=b" " * (32 * 1024 * 1024 + 1))
        assert large.status_code == 413


async def test_a_given_request_id_comes_back_and_a_strange_one_does_not() -> None:
    async with door(speak) as at:
        good = await at.client.post("/v1/completions", json=CHAT, headers={"x-request-id": "r-1"})
        assert good.headers["x-request-id"] == "r-1"
        long = await at.client.post(
            "/v1/completions", json=CHAT, headers={"x-request-id": "r" * 200}
        )
        assert long.headers["x-request-id"] == long.headers["x-rbee-job"]


async def test_a_worker_that_dies_in_mid_stream_is_told_in_the_stream() -> None:
    async def play(wire: Conversation) -> None:
        await wire.stream(delta("Hel"), end=False)
        await wire.say(b"30\r\ndata: {half an eve")

    async with door(play, limits=Limits(wait_max_s=0.1)) as at:
        answer = await at.client.post("/v1/chat/completions", json={**CHAT, "stream": True})
        events = [event for event in answer.text.split("\n\n") if event.startswith("data:")]
        assert len(events) == 2
        error = msgspec.json.decode(events[1].removeprefix("data: "))["error"]
        assert error["code"] == "queue_full"  # nobody came to go on with it


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_stops_the_worker_and_frees_the_slot(stream: bool) -> None:
    reached, left = asyncio.Event(), asyncio.Event()

    async def play(wire: Conversation) -> None:
        await wire.stream(delta("Hel"), end=False)
        reached.set()
        await wire.left()
        left.set()

    async with door(play, slots=1, real=True) as at:
        port = at.client.base_url.port
        assert port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = msgspec.json.encode({**CHAT, "stream": stream})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        if stream:
            assert b"200 OK" in await reader.readline()
        await asyncio.wait_for(reached.wait(), 5)
        writer.transport.abort()
        await asyncio.wait_for(left.wait(), 5)
        await asyncio.wait_for(at.admission.idle.wait(), 5)


async def test_a_streaming_client_that_waits_long_hears_of_it_and_then_gets_its_answer() -> None:
    free = asyncio.Event()

    async def play(wire: Conversation) -> None:
        await wire.stream(delta("Hel"), end=False)
        await free.wait()
        await wire.say(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    body = {**CHAT, "stream": True}
    async with door(
        play, slots=1, limits=Limits(tell_every_s=0.01), early_head_s=0.02, real=True
    ) as at:
        first = asyncio.create_task(at.client.post("/v1/chat/completions", json=body))
        await until(lambda: not at.admission.idle.is_set())
        async with at.client.stream("POST", "/v1/chat/completions", json=body) as waiting:
            assert waiting.status_code == 200  # early: its worker is still busy
            lines = waiting.aiter_lines()
            told = await anext(lines)
            assert told.startswith(": waiting position=1 eta_s=unknown reason=all slots")
            free.set()
            rest = [line async for line in lines]
        # The head went out before a worker was found: who answers comes in a comment.
        assert any(line.startswith(": routed worker=") for line in rest)
        assert any(line.startswith("data:") for line in rest)
        await first


async def test_an_error_after_an_early_head_comes_in_the_stream() -> None:
    body = {**CHAT, "stream": True, "model": "org/repo"}
    quick = Limits(tell_every_s=0.01)
    async with (
        door(speak, limits=quick, early_head_s=0.02, real=True) as at,
        at.client.stream("POST", "/v1/chat/completions", json=body) as waiting,
    ):
        lines = waiting.aiter_lines()
        assert (await anext(lines)).startswith(": waiting")
        at.demand.refuse("org/repo", NoCapacity("nothing fits"))
        rest = [line async for line in lines if line.startswith("data:")]
    error = msgspec.json.decode(rest[-1].removeprefix("data: "))["error"]
    assert (error["code"], error["type"]) == ("no_capacity", "capacity_error")
