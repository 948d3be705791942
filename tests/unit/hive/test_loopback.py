"""The cheap client for slots and metrics: answers whole, connections kept, trouble is None."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from rbee.hive.workers.loopback import ANSWER_BYTES_MAX, Loopback
from rbee.testing.listening import Serve, listening

pytestmark = pytest.mark.anyio

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@asynccontextmanager
async def worker(serve: Serve) -> AsyncGenerator[tuple[Loopback, list[int]]]:
    """A raw server and a client of it; the list has one entry per connection."""
    connections: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await serve(reader, writer)

    async with listening(handle) as port:
        client = Loopback("127.0.0.1", port, "a-made-up-key")
        try:
            yield client, connections
        finally:
            client.close()


def answering(*answers: bytes, close_after: int = 10) -> Serve:
    """A server that gives these answers in turn on each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(close_after):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answers[min(number, len(answers) - 1)])
            await writer.drain()

    return serve


async def test_answers_come_whole_over_one_connection_with_the_key() -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            for part in (PLAIN[:20], PLAIN[20:]):
                writer.write(part)
                await writer.drain()

    async with worker(serve) as (client, connections):
        bodies = [await client.get("/slots", within_s=5) for _ in range(3)]
    assert [(answer.status, answer.body) for answer in bodies if answer] == [(200, b"hello")] * 3
    assert len(connections) == 1
    assert asked[0].startswith(b"GET /slots HTTP/1.1\r\n")
    assert b"Authorization: Bearer a-made-up-key\r\n" in asked[0]


async def test_chunks_are_joined() -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    )
    async with worker(answering(chunked)) as (client, _):
        answer = await client.get("/slots", within_s=5)
    assert answer is not None
    assert answer.body == b"hello"


async def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    async with worker(answering(PLAIN, close_after=1)) as (client, connections):
        for _ in range(3):
            answer = await client.get("/slots", within_s=5)
            assert answer is not None
            await asyncio.sleep(0)
    assert len(connections) == 3


async def test_a_refusal_is_an_answer() -> None:
    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with worker(answering(refused)) as (client, connections):
        answers = [await client.get("/slots", within_s=5) for _ in range(2)]
    assert [answer.status for answer in answers if answer] == [401, 401]
    assert len(connections) == 2


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * (ANSWER_BYTES_MAX + 1),
    ],
    ids=["nothing", "no http", "cut", "endless"],
)
async def test_what_is_no_answer_is_none(said: bytes) -> None:
    async with worker(answering(said, close_after=1)) as (client, _):
        assert await client.get("/slots", within_s=5) is None


async def test_a_late_answer_never_meets_the_next_question() -> None:
    late = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.readuntil(b"\r\n\r\n")
        if b"/slow" in question:
            await late.wait()
            writer.write(PLAIN.replace(b"hello", b"slow!"))
        else:
            writer.write(PLAIN)
        await writer.drain()

    async with worker(serve) as (client, _):
        assert await client.get("/slow", within_s=0.05) is None
        late.set()
        answer = await client.get("/slots", within_s=5)
    assert answer is not None
    assert answer.body == b"hello"


async def test_nobody_there_is_none() -> None:
    async with worker(answering(PLAIN)) as (client, _):
        pass
    assert await client.get("/slots", within_s=5) is None
