"""One HTTP exchange on ASGI: the body in, an answer or a stream out.

Comes from ``app``, is used up by a handler. Knows framing and disconnects, and
nothing of models.
"""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from rbee.contracts.exits import WorkerExit
from rbee.worker.api.answers import PING, Json, Refusal
from rbee.worker.leaving import leave

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

BODY_BYTES_MAX = 33 * 1024 * 1024  # the queen's 32 MiB and room for what a continuation adds
PING_AFTER_S = 1.0  # as the real engine is told: the write shows whether the client left

TRANSPORT_KEY = "transport"
"""Where ``listener`` leaves the connection's transport in the scope's state."""

T = TypeVar("T")


class ClientGone(Exception):
    """The client closed its connection before the answer was whole."""


class Exchange:
    """A request that is being answered."""

    def __init__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._written_at_s = 0.0
        self._quiet = False

    async def read_body(self) -> bytes:
        """Read the whole body.

        Raises:
            Refusal: 413, it is larger than 33 MiB.
            ClientGone: the client left while sending it.
        """
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > BODY_BYTES_MAX:
                raise Refusal(413, "The body is larger than 33 MiB", "invalid_request_error")
            if not message.get("more_body", False):
                return b"".join(parts)

    async def unless_gone(self, work: Coroutine[object, object, T]) -> T:
        """Await ``work`` and cancel it as soon as the client leaves.

        Raises:
            ClientGone: the client left first.
        """
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self._wait_gone())
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise ClientGone
        finally:
            working.cancel()
            leaving.cancel()
            await asyncio.wait({working, leaving})

    async def answer(self, status: int, body: bytes, content_type: str) -> None:
        """Send a whole answer."""
        await self._start(status, content_type, length_bytes=len(body))
        await self._send({"type": "http.response.body", "body": body})

    async def json(self, status: int, value: Json | list[Json]) -> None:
        """Send a whole JSON answer."""
        body = msgspec.json.encode(value)
        await self.answer(status, body, "application/json; charset=utf-8")

    async def start_stream(
        self, status: int = 200, content_type: str = "text/event-stream"
    ) -> None:
        """Send the head of a stream, before there is a token."""
        await self._start(status, content_type)
        self._written_at_s = asyncio.get_running_loop().time()

    async def write(self, events: bytes) -> None:
        """Send whole events."""
        self._written_at_s = asyncio.get_running_loop().time()
        await self._send({"type": "http.response.body", "body": events, "more_body": True})

    async def end_stream(self) -> None:
        """End the stream in good order."""
        self._quiet = True
        await self._send({"type": "http.response.body", "body": b""})

    async def ping(self) -> None:
        """Write a comment whenever the stream was silent for a second; ends by cancellation."""
        clock = asyncio.get_running_loop().time
        while not self._quiet:
            await asyncio.sleep(max(0.0, self._written_at_s + PING_AFTER_S - clock()))
            if not self._quiet and clock() - self._written_at_s >= PING_AFTER_S:
                await self.write(PING)

    async def hang(self) -> None:
        """Never write again and never end; only the client's leaving ends it."""
        self._quiet = True
        await asyncio.Event().wait()

    def die_inside_chunk(self, event: bytes, at_byte: int | None) -> None:
        """Write a part of a chunk (None: half) past ASGI, which knows only whole ones, and die."""
        chunk = b"%x\r\n%s\r\n" % (len(event), event)
        self._transport.write(chunk[: len(chunk) // 2 if at_byte is None else at_byte])
        leave(WorkerExit.CRASHED)

    def die_inside_answer(self, body: bytes) -> None:
        """Write the head and half of an answer's body, and die."""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body[: len(body) // 2])
        leave(WorkerExit.CRASHED)

    @property
    def _transport(self) -> asyncio.Transport:
        return cast("asyncio.Transport", self._scope["state"][TRANSPORT_KEY])

    async def _start(
        self, status: int, content_type: str, *, length_bytes: int | None = None
    ) -> None:
        headers = [(b"content-type", content_type.encode())]
        if length_bytes is not None:
            headers.append((b"content-length", str(length_bytes).encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _wait_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
