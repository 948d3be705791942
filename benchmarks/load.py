"""A load generator that is not the bottleneck: raw asyncio Protocols, prebuilt bytes.

One client is one keep-alive connection that sends the same request again and
again. It reads only what it must: where the head ends, where the body ends, how
many events passed, when the first body byte came.
"""

import asyncio
import re
import time
from typing import NamedTuple

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"
_TIMEOUT_S = 60.0  # an exchange that takes longer has hung: say so and stop


class Target(NamedTuple):
    """Where to send, and the head that goes before every body."""

    name: str
    port: int
    key: str | None = None

    def request(self, body: bytes) -> bytes:
        """One whole request."""
        lines = [
            "POST /v1/chat/completions HTTP/1.1",
            f"Host: localhost:{self.port}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        if self.key is not None:
            lines.append(f"Authorization: Bearer {self.key}")
        return "\r\n".join([*lines, "", ""]).encode() + body


class Seen(NamedTuple):
    """One exchange: seconds to the first body byte and to the end, events, HTTP status."""

    first_s: float
    whole_s: float
    events: int
    status: int


class Client(asyncio.Protocol):
    """One connection; ``exchange`` is called again only after it returned."""

    def __init__(self) -> None:
        self.open = False
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[Seen] | None = None
        self._reset()

    def _reset(self) -> None:
        self._head = b""
        self._in_body = False
        self._left = 0
        self._chunked = False
        self._tail = b""
        self._events = 0
        self._status = 0
        self._first = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits hears that the server closed."""
        self.open = False
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError(f"closed in mid-answer: {exc}"))

    async def exchange(self, request: bytes) -> Seen:
        """Send ``request``, wait for the whole answer.

        Raises:
            ConnectionError: the server closed before the end.
            TimeoutError: no end after a minute.
        """
        self._reset()
        self._done = asyncio.get_running_loop().create_future()
        self._started = time.perf_counter()
        if self._transport is None or not self.open:
            raise ConnectionError("not connected")
        self._transport.write(request)
        async with asyncio.timeout(_TIMEOUT_S):
            return await self._done

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Count what came; finish at the body's end."""
        if not self._in_body:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            data = self._head[end + 4 :]
            self._take_head(self._head[:end])
        if data and not self._first:
            self._first = time.perf_counter()
        self._events += (self._tail[-1:] + data).count(b"\n\n")
        if self._chunked:
            self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
            ended = self._tail == _LAST_CHUNK
        else:
            self._left -= len(data)
            ended = self._left <= 0
        if ended and self._done is not None and not self._done.done():
            now = time.perf_counter()
            first = self._first or now
            self._done.set_result(
                Seen(first - self._started, now - self._started, self._events, self._status)
            )

    def _take_head(self, head: bytes) -> None:
        self._in_body = True
        self._status = int(head[9:12])
        length = _LENGTH.search(head)
        self._chunked = length is None
        self._left = int(length[1]) if length else 0


async def run_load(
    target: Target, body: bytes, *, connections: int, duration_s: float
) -> list[Seen]:
    """Keep ``connections`` clients busy for ``duration_s``; every finished exchange comes back.

    Raises:
        RuntimeError: an answer was not 200, or a connection failed twice in a row.
    """
    request = target.request(body)
    end = time.perf_counter() + duration_s
    results: list[Seen] = []

    async def work() -> None:
        client, failed = await _connected(target), False
        while time.perf_counter() < end:
            try:
                seen = await client.exchange(request)
            except ConnectionError:
                # A server may close an idle or a used connection between two requests.
                if failed:
                    raise
                client, failed = await _connected(target), True
                continue
            failed = False
            if seen.status != 200:
                raise RuntimeError(f"{target.name} answered {seen.status}")
            results.append(seen)
        client.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(work())
    return results


async def _connected(target: Target) -> Client:
    loop = asyncio.get_running_loop()
    _transport, client = await loop.create_connection(Client, "127.0.0.1", target.port)
    return client
