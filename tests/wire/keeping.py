"""The queen's door on a real server, before workers that keep their connections."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import httpx2
import msgspec

from rbee.contracts.workers import WorkerStats
from rbee.foundation.http.gate import make_policy
from rbee.foundation.http.server import DaemonServer, bind, make_server, port_of
from rbee.queen.api.conversation import EARLY_HEAD_S
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

    def write(self, said: bytes) -> None:
        """Say more on the latest connection."""
        self._writers[-1].write(said)

    def close_connections(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class At(NamedTuple):
    client: httpx2.AsyncClient
    workers: list[KeepingWorker]
    admission: Admission
    tally: Tally
    dispatcher: Dispatcher
    servers: list[asyncio.Server]
    serving: DaemonServer

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the door."""
        return str(self.client.base_url.host), self.client.base_url.port or 0

    async def close_door(self, worker: KeepingWorker) -> None:
        """From now on nobody listens on this worker's port."""
        self.servers[self.workers.index(worker)].close()


@asynccontextmanager
async def door(
    *says: Say, early_head_s: float = EARLY_HEAD_S, unary_cancel: bool = True
) -> AsyncGenerator[At]:
    async with AsyncExitStack() as stack:
        workers = [KeepingWorker(say) for say in says]
        colony, demand, tally, pool = Colony(), Demand(), Tally(), Pool()
        stats: list[WorkerStats] = []
        servers: list[asyncio.Server] = []
        for number, worker in enumerate(workers):
            server = await asyncio.start_server(worker.serve, "127.0.0.1", 0)
            stack.push_async_callback(_closed(server, worker))
            servers.append(server)
            port = server.sockets[0].getsockname()[1]
            one = ready_worker(f"w{number}", port)
            stats.append(msgspec.structs.replace(one, unary_cancel=unary_cancel))
        colony.beat(beat(stats), 1.0)
        admission = Admission(colony, demand, Limits())
        dispatcher = Dispatcher(colony, admission, pool, tally=tally)
        app = OpenAIDoor(dispatcher, colony, tally, Rates(), early_head_s=early_head_s)
        sockets = bind("127.0.0.1", 0)
        policy = make_policy("127.0.0.1", port_of(sockets[0]), key=None, hosts=[], origins=[])
        serving = make_server(app, app.hot(policy))
        task = asyncio.create_task(serving.serve(sockets=sockets))
        url = f"http://127.0.0.1:{port_of(sockets[0])}"
        try:
            async with httpx2.AsyncClient(base_url=url, timeout=20) as client:
                yield At(client, workers, admission, tally, dispatcher, servers, serving)
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
