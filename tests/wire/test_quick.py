"""Small unary answers of event-driven engines: in one piece, without a task, or the long way.

The workers are raw sockets that keep their connections, the queen's door is served by
a real server; what the client gets is the same whichever way it took.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import httpx2
import msgspec
import pytest

from rbee.foundation.http.gate import make_policy
from rbee.foundation.http.server import bind, make_server, port_of
from rbee.queen.api.openai import OpenAIDoor
from rbee.queen.inference.admission import Admission, Limits
from rbee.queen.inference.dispatch import Dispatcher
from rbee.queen.inference.pool import Pool
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.demand import Demand
from rbee.queen.scheduling.rates import Rates
from rbee.queen.tally import Tally
from rbee.testing.raw_worker import beat, ready_worker
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ANSWER = b'{"object":"chat.completion","usage":{"prompt_tokens":3,"completion_tokens":4}}'

Say = Callable[[int], bytes | None]
"""What a worker says to its n-th request (from 0); None: it breaks the connection."""


def whole(body: bytes = ANSWER, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


class KeepingWorker:
    """An engine that keeps its connections, as event-driven ones do."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.asked = 0
        self.connections = 0
        self.left = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                said = self.say(self.asked)
                self.asked += 1
                if said is None:
                    return
                writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            self.left += 1
        finally:
            writer.transport.abort()

    def close_connections(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class At(NamedTuple):
    client: httpx2.AsyncClient
    workers: list[KeepingWorker]
    admission: Admission
    tally: Tally
    dispatcher: Dispatcher


@asynccontextmanager
async def door(*says: Say) -> AsyncGenerator[At]:
    async with AsyncExitStack() as stack:
        workers = [KeepingWorker(say) for say in says]
        colony, demand, tally, pool = Colony(), Demand(), Tally(), Pool()
        stats = []
        for number, worker in enumerate(workers):
            server = await asyncio.start_server(worker.serve, "127.0.0.1", 0)
            stack.push_async_callback(_closed(server, worker))
            port = server.sockets[0].getsockname()[1]
            one = ready_worker(f"w{number}", port)
            stats.append(msgspec.structs.replace(one, unary_cancel=True))
        colony.beat(beat(stats), 1.0)
        admission = Admission(colony, demand, Limits())
        dispatcher = Dispatcher(colony, admission, pool, tally=tally)
        app = OpenAIDoor(dispatcher, colony, tally, Rates())
        sockets = bind("127.0.0.1", 0)
        policy = make_policy("127.0.0.1", port_of(sockets[0]), key=None, hosts=[], origins=[])
        serving = make_server(app, app.hot(policy))
        task = asyncio.create_task(serving.serve(sockets=sockets))
        url = f"http://127.0.0.1:{port_of(sockets[0])}"
        try:
            async with httpx2.AsyncClient(base_url=url, timeout=20) as client:
                yield At(client, workers, admission, tally, dispatcher)
        finally:
            pool.close()
            serving.should_exit = True
            await task


def _closed(server: asyncio.Server, worker: KeepingWorker) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        server.close()
        worker.close_connections()
        await until(lambda: worker.connections == 0 or not server.is_serving())

    return close


async def ask(at: At, **more: object) -> httpx2.Response:
    return await at.client.post("/v1/chat/completions", json={**CHAT, **more})


async def test_the_second_request_goes_over_the_first_ones_connection() -> None:
    async with door(lambda _: whole()) as at:
        for number in range(5):
            answer = await ask(at)
            assert answer.status_code == 200
            assert answer.content == ANSWER
            assert answer.headers["x-rbee-worker"] == "w0"
            assert answer.headers["x-request-id"] == answer.headers["x-rbee-job"]
            job = answer.headers["x-rbee-job"]
            why = at.dispatcher.plane.ledger.why(job)
            assert (why.outcome, why.model) == ("completed", "m"), number
        assert at.workers[0].connections == 1
        assert at.admission.idle.is_set()
        (row,) = at.tally.rows()
        assert row.statuses == {200: 5}
        assert (row.prompt_tokens, row.completion_tokens) == (15, 20)


async def test_a_connection_that_the_worker_closed_meanwhile_is_no_dead_worker() -> None:
    async with door(lambda _: whole()) as at:
        assert (await ask(at)).status_code == 200
        at.workers[0].close_connections()
        assert (await ask(at)).content == ANSWER
        assert at.workers[0].connections == 2
        assert at.tally.retries == {}


async def test_a_worker_that_dies_under_a_request_is_replaced_unseen() -> None:
    def dying(number: int) -> bytes | None:
        return whole() if number == 0 else None

    async with door(dying, lambda _: whole()) as at:
        for _ in range(6):
            assert (await ask(at)).content == ANSWER
        # Once well, once over the old connection (which might have been stale), once anew.
        assert at.workers[0].asked == 3
        assert at.admission.idle.is_set()


async def test_half_an_answer_is_not_shown_but_asked_for_again() -> None:
    def half(number: int) -> bytes:
        return whole() if number == 0 else whole()[:-5]

    async with door(half, lambda _: whole()) as at:
        await ask(at)
        await ask(at)
        asking = asyncio.gather(*(ask(at) for _ in range(2)))
        await until(lambda: at.workers[0].asked >= 2)
        at.workers[0].close_connections()
        assert [answer.content for answer in await asking] == [ANSWER, ANSWER]


async def test_an_engines_refusal_is_worded_and_its_failure_too() -> None:
    refused = whole(b'{"error":{"message":"no such thing"}}', "400 Bad Request")
    async with door(lambda n: whole() if n == 0 else refused) as at:
        await ask(at)
        answer = await ask(at)
        assert answer.status_code == 400
        assert "no such thing" in answer.json()["error"]["message"]
        assert (await ask(at)).status_code == 400  # and the connection goes on


async def test_a_large_answer_is_poured() -> None:
    large = b'{"data":"' + b"x" * 600_000 + b'"}'
    async with door(lambda n: whole() if n == 0 else whole(large)) as at:
        await ask(at)
        answer = await ask(at)
        assert answer.content == large
        assert answer.headers["content-length"] == str(len(large))


async def test_a_client_that_leaves_stops_the_worker_and_frees_the_slot() -> None:
    async with door(lambda n: whole() if n == 0 else b"") as at:
        await ask(at)
        asking = asyncio.create_task(ask(at))
        await until(lambda: at.workers[0].asked == 2)
        asking.cancel()
        await until(at.admission.idle.is_set)
        await until(lambda: at.workers[0].left)
        (row,) = at.tally.rows()
        assert row.statuses == {200: 1, 499: 1}


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"", 400), (b'{"model":""}', 400), (b'{"model":"other"}', 404)],
)
async def test_what_is_wrong_is_said_as_ever(body: bytes, status: int) -> None:
    async with door(lambda _: whole()) as at:
        await ask(at)
        answer = await at.client.post("/v1/chat/completions", content=body)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]
