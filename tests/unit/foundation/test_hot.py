"""The hot way in, on real sockets: what it takes, what it leaves to uvicorn, what it closes.

Also the contract with uvicorn's internals: these tests say when they moved.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from starlette.types import Receive, Scope, Send

from rbee.foundation.http import hot as hot_module
from rbee.foundation.http.body import receive_body
from rbee.foundation.http.hot import BODY_S, HEAD_S, UNREAD_S, HotProtocol
from rbee.foundation.http.server import DaemonServer, bind, make_server, port_of
from rbee.foundation.http.wire import Hot, WireExchange
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

PATH = "/v1/hot"
CHUNKED = (
    b"POST /v1/hot HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n0\r\n\r\n"
)


async def by_asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """Says that uvicorn answered, and how long the body was."""
    length = len(await receive_body(receive, None)) if scope["method"] == "POST" else 0
    said = f"asgi {length}".encode()
    headers = [(b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


class Served(NamedTuple):
    server: DaemonServer
    port: int
    left: list[str]

    @property
    def connection(self) -> HotProtocol:
        (one,) = self.server.server_state.connections
        assert isinstance(one, HotProtocol)
        return one


@asynccontextmanager
async def served(*, quick: bool = False) -> AsyncGenerator[Served]:
    left: list[str] = []

    async def handle(exchange: WireExchange) -> None:
        body = await exchange.body()
        if body == b"hang":
            try:
                await exchange.left()
            finally:
                left.append("left")
            return
        if body.startswith(b"flood"):
            exchange.start(200, [], length=None)
            while exchange.headers:
                await exchange.send(b"x" * 65536)
        said = b"hot %d" % len(body)
        exchange.start(200, [(b"x-way", b"task")], length=len(said))
        await exchange.finish(said)

    def at_once(exchange: WireExchange) -> bool:
        if exchange.whole_body == b"later":
            return False
        exchange.answer(200, [(b"x-way", b"quick")], b"x-line: 1\r\n", b"quick")
        exchange.done()
        return True

    hot = Hot(frozenset({PATH.encode()}), handle, at_once if quick else None)
    server = make_server(by_asgi, hot)
    sockets = bind("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=sockets))
    try:
        await until(lambda: server.started)
        yield Served(server, port_of(sockets[0]), left)
    finally:
        server.should_exit = server.force_exit = True
        await serving


def request(body: bytes, *lines: str, path: str = PATH, version: str = "1.1") -> bytes:
    head = [f"POST {path} HTTP/{version}", "Host: localhost", f"Content-Length: {len(body)}"]
    return ("\r\n".join([*head, *lines, "", ""])).encode() + body


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def said(self) -> tuple[str, bytes]:
        """Head and body of the next answer."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode()
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        return head, await asyncio.wait_for(self.reader.readexactly(length), 5)

    async def ended(self) -> bool:
        return await asyncio.wait_for(self.reader.read(1), 5) == b""


@asynccontextmanager
async def client(port: int) -> AsyncGenerator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def test_a_plain_request_is_answered_before_asgi_and_the_connection_goes_on() -> None:
    async with served() as at, client(at.port) as one:
        for size in (3, 5, 5):
            one.writer.write(request(b"x" * size))
            head, body = await one.said()
            assert body == b"hot %d" % size
            assert "x-way: task" in head
            assert "date:" in head


async def test_a_body_in_pieces_and_a_second_request_behind_it() -> None:
    async with served() as at, client(at.port) as one:
        first = request(b"x" * 10)
        one.writer.write(first[:-10])
        for piece in (first[-10:-6], first[-6:-5], first[-5:] + request(b"y" * 4)):
            await one.writer.drain()
            await asyncio.sleep(0.01)  # not for luck: the pieces shall come apart
            one.writer.write(piece)
        one.writer.write(request(b"", path="/other"))
        assert (await one.said())[1] == b"hot 10"
        assert (await one.said())[1] == b"hot 4"
        assert (await one.said())[1] == b"asgi 0"


async def test_the_quick_answer_comes_without_a_task_and_the_rest_with_one() -> None:
    async with served(quick=True) as at, client(at.port) as one:
        one.writer.write(request(b"now") + request(b"later") + request(b"now"))
        head, body = await one.said()
        assert body == b"quick"
        assert "x-line: 1" in head
        assert (await one.said())[1] == b"hot 5"
        assert (await one.said())[1] == b"quick"
        assert not at.server.server_state.tasks


@pytest.mark.parametrize(
    "asked",
    [
        request(b"abc", path="/v1/other"),
        request(b"abc", path=PATH + "?x=1"),
        request(b"abc", "Origin: http://localhost"),
        request(b"abc", "Expect: 100-continue"),
        request(b"abc", "Content-Length: 3"),
        request(b"abc", version="1.0"),
        CHUNKED,
    ],
    ids=["path", "query", "origin", "expect", "two lengths", "1.0", "chunks"],
)
async def test_what_is_not_plain_is_left_to_uvicorn(asked: bytes) -> None:
    async with served(quick=True) as at, client(at.port) as one:
        one.writer.write(asked)
        answer = await asyncio.wait_for(one.reader.read(4096), 5)
        assert b"quick" not in answer
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 100"))


async def test_a_head_that_comes_byte_by_byte_is_answered_all_the_same() -> None:
    async with served() as at, client(at.port) as one:
        for byte in request(b"ab"):
            one.writer.write(bytes([byte]))
            await one.writer.drain()
            await asyncio.sleep(0)
        assert (await one.said())[1] in {b"asgi 2", b"hot 2"}


async def test_a_head_is_read_once_whatever_its_content_length() -> None:
    async with served() as at, client(at.port) as one:
        for size in (1, 22, 333):
            one.writer.write(request(b"x" * size))
            await one.said()
        assert len(at.connection._hot.heads) == 1


async def test_a_client_that_wants_the_connection_closed_gets_it_closed() -> None:
    async with served() as at, client(at.port) as one:
        one.writer.write(request(b"x", "Connection: close"))
        head, _ = await one.said()
        assert "connection: close" in head
        assert await one.ended()


async def test_a_client_that_leaves_cancels_the_work() -> None:
    async with served() as at:
        async with client(at.port) as one:
            one.writer.write(request(b"hang"))
            await until(lambda: at.server.server_state.tasks)
            one.writer.transport.abort()
        await until(lambda: at.left)
        await until(lambda: not at.server.server_state.connections)


async def test_a_head_without_end_is_refused() -> None:
    async with served() as at, client(at.port) as one:
        one.writer.write(b"POST /v1/hot HTTP/1.1\r\nHost: localhost\r\nX: ")
        one.writer.write(b"x" * (hot_module.HEAD_BYTES_MAX + 1))
        answer = await asyncio.wait_for(one.reader.read(), 5)
        assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("sent", "limit_s"),
    [
        (b"", 75.0),
        (b"POST /v1/hot HTTP/1.1\r\nHost: loc", HEAD_S),
        (request(b"x" * 9)[:-3], BODY_S),
    ],
    ids=["silent", "half a head", "half a body"],
)
async def test_a_connection_that_gets_nowhere_is_closed(sent: bytes, limit_s: float) -> None:
    async with served() as at, client(at.port) as one:
        one.writer.write(sent)
        await until(lambda: at.server.server_state.connections)
        connection = at.connection
        if sent:
            await until(lambda: connection._in_head or connection._missing)
        began = connection._since
        connection.sweep(began + limit_s - 0.5)
        assert not connection.transport.is_closing()
        connection.sweep(began + limit_s + 0.5)
        try:
            assert await one.ended()
        except ConnectionResetError:
            assert sent  # cut off in the middle of something


async def test_a_client_that_never_reads_is_cut_off_after_a_while_and_costs_bounded_memory() -> (
    None
):
    async with served() as at, client(at.port) as one:
        one.writer.transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue]  typed as a writer's
        one.writer.write(request(b"flood"))
        await until(lambda: at.server.server_state.connections)
        connection = at.connection
        await until(lambda: connection._write_paused_at is not None)
        assert connection.transport.get_write_buffer_size() < 512 * 1024
        paused_at = connection._write_paused_at
        assert paused_at is not None
        connection.sweep(paused_at + UNREAD_S + 1)
        await until(lambda: not at.server.server_state.connections)


async def test_no_socket_waits_for_nagle() -> None:
    async with served() as at, client(at.port) as one:
        one.writer.write(request(b"x"))
        await one.said()
        accepted = at.connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
