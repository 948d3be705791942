"""One conversation with a worker, against real sockets that misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from rbee.contracts.ids import HiveId, ModelId, WorkerId
from rbee.errors import WorkerFailed
from rbee.queen.inference.upstream import (
    BUFFERED_BYTES_MAX,
    Request,
    WorkerGone,
    open_upstream,
)
from rbee.queen.registry.workers import RoutableWorker

pytestmark = pytest.mark.anyio

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = Request("/v1/completions", b'{"model":"m"}')
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nServer: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[RoutableWorker]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(REQUEST.body))
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield worker_at(server.sockets[0].getsockname()[1])


def worker_at(port: int) -> RoutableWorker:
    return RoutableWorker(
        worker_id=WorkerId("w"),
        hive_id=HiveId("h"),
        model=ModelId("m"),
        address="127.0.0.1",
        port=port,
        key="secret",
        generation=1,
        pid=1,
        status="ready",
        slots_total=1,
        slots_busy=None,
        queued=None,
        gpu_util_pct=None,
        tokens_per_s=None,
        unary_cancel=False,
        local=True,
    )


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def test_the_body_comes_without_its_framing_and_the_workers_own_headers() -> None:
    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + chunk(b"data: 1\n\n") + chunk(b"data: 2\n\n") + chunk(b""))
        await writer.drain()

    async with serving(handler) as worker:
        upstream = await open_upstream(worker, REQUEST)
        assert upstream.status == 200
        assert upstream.is_event_stream
        assert upstream.headers == [(b"content-type", b"text/event-stream")]
        assert await upstream.read_all() == b"data: 1\n\ndata: 2\n\n"
        assert not upstream.gone
        upstream.abort()


async def test_the_workers_key_is_sent_and_the_body_is_not_touched() -> None:
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        seen.append(await reader.readexactly(len(REQUEST.body)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        upstream = await open_upstream(worker_at(server.sockets[0].getsockname()[1]), REQUEST)
        upstream.abort()
    assert b"Authorization: Bearer secret\r\n" in seen[0]
    assert seen[1] == REQUEST.body


async def test_nobody_there_is_a_worker_that_is_gone() -> None:
    async def handler(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        raise AssertionError("nobody should get here")

    async with serving(handler) as worker:
        pass
    with pytest.raises(WorkerGone, match="cannot be reached"):
        await open_upstream(worker, REQUEST)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 2", CHUNKED])
async def test_an_end_before_the_first_byte_is_known_before_anything_is_forwarded(
    said: bytes,
) -> None:
    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with serving(handler) as worker:
        with pytest.raises(WorkerGone):
            await open_upstream(worker, REQUEST)


async def test_a_death_in_the_middle_of_a_chunk_gives_what_came_and_then_the_error() -> None:
    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + chunk(b"data: 1\n\n") + b"ff\r\ndata: ha")
        await writer.drain()

    async with serving(handler) as worker:
        upstream = await open_upstream(worker, REQUEST)
        got = b""
        with pytest.raises(WorkerGone):
            while True:
                got += await upstream.read()
        assert got == b"data: 1\n\ndata: ha"
        assert upstream.gone


@pytest.mark.parametrize(
    "said",
    [
        b"this is no HTTP\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"zz\r\n",
    ],
    ids=["no http", "two lengths", "no chunk size"],
)
async def test_what_is_not_valid_http_is_refused(said: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        await reader.read()

    async with serving(handler) as worker:
        with pytest.raises(WorkerFailed):
            await (await open_upstream(worker, REQUEST)).read_all()


async def test_a_reader_that_stops_stops_the_worker() -> None:
    sent = 0
    block = b"x" * 65536

    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(CHUNKED)
        for _ in range(1000):
            writer.write(chunk(block))
            await writer.drain()
            sent += len(block)

    async with serving(handler) as worker:
        upstream = await open_upstream(worker, REQUEST)
        before = -1
        while before != sent:  # until the worker has been stopped by the full sockets
            before = sent
            for _ in range(50):
                await asyncio.sleep(0)
        assert sent < 1000 * len(block)
        assert sum(map(len, upstream._chunks)) <= BUFFERED_BYTES_MAX + 256 * 1024
        first = len(await upstream.read())
        assert first > 0
        upstream.abort()


async def test_abort_closes_the_workers_side() -> None:
    closed = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + chunk(b"data: 1\n\n"))
        await writer.drain()
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        closed.set()

    async with serving(handler) as worker:
        upstream = await open_upstream(worker, REQUEST)
        upstream.abort()
        await asyncio.wait_for(closed.wait(), 5)
