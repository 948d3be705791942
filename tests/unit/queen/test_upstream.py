"""One conversation with a worker, against real sockets that misbehave."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from rbee.errors import WorkerFailed
from rbee.queen.inference.pool import Pool
from rbee.queen.inference.upstream import BUFFERED_BYTES_MAX, Upstream, WorkerGone
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.workers import RoutableWorker
from rbee.testing.raw_worker import (
    CHUNKED_HEAD,
    Conversation,
    Play,
    beat,
    chunk,
    raw_worker,
    ready_worker,
)

pytestmark = pytest.mark.anyio

BODY = b'{"model":"m"}'


def worker_at(port: int) -> RoutableWorker:
    colony = Colony()
    colony.beat(beat([ready_worker("w", port)]), 1.0)
    return colony.serving("m")[0]


@asynccontextmanager
async def serving(play: Play) -> AsyncGenerator[RoutableWorker]:
    async with raw_worker(play) as port:
        yield worker_at(port)


async def open_upstream(worker: RoutableWorker, body: bytes = BODY) -> Upstream:
    pool = Pool()
    upstream = await pool.fresh(worker)
    try:
        upstream.send(pool.request(worker, "/v1/completions", body))
        await upstream.first_byte()
    except BaseException:
        upstream.abort()
        raise
    return upstream


async def read_until_it_raises(upstream: Upstream, got: bytearray) -> None:
    while data := await upstream.read():
        got += data


async def test_the_body_comes_without_its_framing_and_the_workers_own_headers() -> None:
    async def play(wire: Conversation) -> None:
        await wire.say(CHUNKED_HEAD, chunk(b"data: 1\n\n"), chunk(b"data: 2\n\n"), chunk(b""))

    async with serving(play) as worker:
        upstream = await open_upstream(worker)
        assert upstream.status == 200
        assert upstream.is_event_stream
        assert upstream.headers == [(b"content-type", b"text/event-stream")]
        assert await upstream.read_all() == b"data: 1\n\ndata: 2\n\n"
        assert not upstream.gone
        upstream.abort()


async def test_the_workers_key_is_sent_and_the_body_is_not_touched() -> None:
    seen: list[Conversation] = []

    async def play(wire: Conversation) -> None:
        seen.append(wire)
        await wire.answer(200, {})

    async with serving(play) as worker:
        upstream = await open_upstream(worker)
        upstream.abort()
    assert b"Authorization: Bearer secret\r\n" in seen[0].head
    assert seen[0].body == BODY


async def test_nobody_there_is_a_worker_that_is_gone() -> None:
    async def play(_wire: Conversation) -> None:
        raise AssertionError("nobody should get here")

    async with serving(play) as worker:
        pass
    with pytest.raises(WorkerGone, match="cannot be reached"):
        await open_upstream(worker)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 2", CHUNKED_HEAD])
async def test_an_end_before_the_first_byte_is_known_before_anything_is_forwarded(
    said: bytes,
) -> None:
    async def play(wire: Conversation) -> None:
        await wire.say(said)

    async with serving(play) as worker:
        with pytest.raises(WorkerGone):
            await open_upstream(worker)


async def test_a_death_in_the_middle_of_a_chunk_gives_what_came_and_then_the_error() -> None:
    async def play(wire: Conversation) -> None:
        await wire.say(CHUNKED_HEAD, chunk(b"data: 1\n\n"), b"ff\r\ndata: ha")

    async with serving(play) as worker:
        upstream = await open_upstream(worker)
        got = bytearray()
        with pytest.raises(WorkerGone):
            await read_until_it_raises(upstream, got)
        assert got == b"data: 1\n\n"  # half an event goes nowhere
        assert upstream.gone


@pytest.mark.parametrize(
    "said",
    [
        b"this is no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
        CHUNKED_HEAD + b"zz\r\n",
    ],
    ids=["no http", "two lengths", "no chunk size"],
)
async def test_what_is_not_valid_http_is_refused(said: bytes) -> None:
    async def play(wire: Conversation) -> None:
        await wire.say(said)
        await wire.left()

    async with serving(play) as worker:
        with pytest.raises(WorkerFailed):
            await (await open_upstream(worker)).read_all()


async def test_a_reader_that_stops_stops_the_worker() -> None:
    sent = 0
    block = b"data: " + b"x" * 65528 + b"\n\n"

    async def play(wire: Conversation) -> None:
        nonlocal sent
        await wire.say(CHUNKED_HEAD)
        for _ in range(1000):
            await wire.say(chunk(block))
            sent += len(block)

    async with serving(play) as worker:
        upstream = await open_upstream(worker)
        before = -1
        while before != sent:  # until the worker has been stopped by the full sockets
            before = sent
            for _ in range(50):
                await asyncio.sleep(0)
        assert sent < 1000 * len(block)
        assert sum(map(len, upstream._ready)) <= BUFFERED_BYTES_MAX + 256 * 1024
        first = len(await upstream.read())
        assert first > 0
        upstream.abort()


async def test_abort_closes_the_workers_side() -> None:
    closed = asyncio.Event()

    async def play(wire: Conversation) -> None:
        await wire.say(CHUNKED_HEAD, chunk(b"data: 1\n\n"))
        await wire.left()
        closed.set()

    async with serving(play) as worker:
        upstream = await open_upstream(worker)
        upstream.abort()
        await asyncio.wait_for(closed.wait(), 5)
