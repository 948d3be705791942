"""A worker made of bytes: a real socket that answers with exactly what a test says.

For what no engine does on purpose: half a chunk, two lengths, silence. Where an
engine's behaviour matters use the scripted engine, and the real one beside it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import msgspec

from rbee.contracts.hives import Heartbeat, HiveInfo, NodeStats
from rbee.contracts.models import Model
from rbee.contracts.workers import Task, WorkerStats
from rbee.testing.listening import listening

CHUNKED_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nServer: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


class Conversation:
    """One request that arrived, and the wire to answer it on."""

    def __init__(
        self, head: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.head = head
        self.body = body
        self.reader = reader
        self.writer = writer

    @property
    def path(self) -> str:
        """The path of the request line."""
        return self.head.split(b" ", 2)[1].decode()

    async def say(self, *parts: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def stream(self, *events: object, end: bool = True) -> None:
        """A head and one chunk per event (a struct or dict as JSON), then ``[DONE]``."""
        await self.say(CHUNKED_HEAD)
        for event in events:
            await self.say(chunk(b"data: " + msgspec.json.encode(event) + b"\n\n"))
        if end:
            await self.say(chunk(b"data: [DONE]\n\n"), chunk(b""))

    async def answer(self, status: int, body: object) -> None:
        """A JSON answer in one piece."""
        data = msgspec.json.encode(body)
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
        await self.say(head.encode(), b"Content-Length: %d\r\n\r\n" % len(data), data)

    async def left(self) -> None:
        """Return when the caller has gone."""
        try:
            await self.reader.read()
        except ConnectionResetError:
            return


Play: TypeAlias = Callable[[Conversation], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    """One chunk of HTTP's chunked coding; the empty one ends the body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@asynccontextmanager
async def raw_worker(play: Play) -> AsyncGenerator[int]:
    """Listen on a free port and play every request that comes; gives the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        body = await reader.readexactly(int(length or 0))
        await play(Conversation(head, body, reader, writer))

    async with listening(handle) as port:
        yield port


def beat(
    workers: Sequence[WorkerStats],
    *,
    hive_id: str = "hive",
    at: float = 1.0,
    names: Sequence[str] = (),
) -> Heartbeat:
    """A hive's beat with these workers, their models (known by ``names`` too) and keys."""
    models = {worker.model: Model(id=worker.model, name=worker.model) for worker in workers}
    for model in models.values():
        model.aliases = list(names)
    return Heartbeat(
        hive_id=hive_id,
        hive_info=HiveInfo(
            id=hive_id, hostname="here", address="127.0.0.1", port=7835, version="0"
        ),
        node=NodeStats(),
        workers=list(workers),
        timestamp=at,
        models=list(models.values()),
        worker_keys={worker.worker_id: "secret" for worker in workers},
    )


def ready_worker(
    worker_id: str, port: int, *, model: str = "m", slots: int = 2, task: Task = "generate"
) -> WorkerStats:
    """A worker that a hive would call ready."""
    return WorkerStats(
        worker_id=worker_id,
        model=model,
        engine="raw",
        status="ready",
        port=port,
        device="CPU-0",
        task=task,
        pid=port,
        slots_total=slots,
    )
