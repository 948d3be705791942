"""How the mirror of the live streams ends: a revoked key, the hour, a client that never reads."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from rbee.foundation.http.server import make_server
from rbee.queen.api import ws
from rbee.queen.settings import Settings
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import beat, ready_worker
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

STREAMS = ["stream=state", "stream=heartbeats"]
COLONY_KEY = "made-up-colony-key"
WITHIN_S = 20.0  # a tenth of a second, on two cores that do nothing else


@asynccontextmanager
async def queen(key: str | None = None) -> AsyncGenerator[RunningQueen]:
    """A queen whose port is open."""
    settings = Settings(quiet_s=0.2, store="memory")
    async with running_queen(settings=settings, key=key) as running:
        serving = make_server(running.queen.app, running.queen.hot)
        task = asyncio.create_task(serving.serve(sockets=running.daemon.sockets))
        try:
            with anyio.fail_after(WITHIN_S):
                yield running
        finally:
            serving.should_exit = True
            await task


def mirror(running: RunningQueen, query: str, key: str | None = None) -> connect:
    """A connection to her."""
    return connect(
        f"ws://127.0.0.1:{running.daemon.port}/v1/ws?{query}",
        additional_headers={} if key is None else {"authorization": f"Bearer {key}"},
        compression=None,
        proxy=None,
        max_size=None,
    )


async def ended(there: ClientConnection) -> tuple[int, str]:
    """The code and the words of its end."""
    with contextlib.suppress(ConnectionClosedError):  # what the iteration ends with, if not 1000
        async for _ in there:
            pass
    return there.close_code or 0, there.close_reason or ""


@pytest.mark.parametrize("query", STREAMS)
async def test_a_revoked_key_hears_nothing_more(query: str) -> None:
    async with queen(COLONY_KEY) as running:
        colony = {"authorization": f"Bearer {COLONY_KEY}"}
        wish = {"name": "watcher", "scopes": ["read"]}
        key = (await running.http.post("/v1/keys", json=wish, headers=colony)).json()
        async with mirror(running, query, key["key"]) as there:
            await there.recv()
            gone = await running.http.delete(f"/v1/keys/{key['about']['id']}", headers=colony)
            assert gone.status_code == 200, gone.text
            assert await ended(there) == (1008, "the key counts no longer")
        assert running.queen.state.watching == 0


@pytest.mark.parametrize("query", STREAMS)
async def test_after_the_hour_it_ends(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws, "STREAM_S_MAX", 1.0)
    async with queen() as running, mirror(running, query) as there:
        code, words = await ended(there)
    assert code == 1001
    assert words.startswith("connect again")


async def test_who_never_reads_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws, "UNREAD_S", 0.3)
    async with queen() as running:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", running.daemon.port))
            deaf.sendall(
                f"GET /v1/ws HTTP/1.1\r\nHost: localhost:{running.daemon.port}\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            await until(lambda: bool(running.queen.telemetry.listening))
            long = ready_worker("w" * 100_000, 9001)
            for number in range(200):
                running.queen.telemetry.beat(beat([long], at=float(number)))
                await anyio.lowlevel.checkpoint()
            await until(lambda: not running.queen.telemetry.listening)


async def test_what_a_client_says_is_refused_in_our_words() -> None:
    async with queen() as running, mirror(running, "stream=state") as there:
        await there.send("hello")
        assert await ended(there) == (1003, "this stream only speaks")
