"""Ask one worker short questions over one kept connection, cheaply.

Sixteen workers are asked twice a second each: a general HTTP client costs some
two milliseconds a question, this one a twentieth of that. It speaks as much
HTTP/1.1 as that needs (GET, one question at a time, on loopback), leaves the
parsing to ``httptools`` and the waiting to plain asyncio. Used by ``probe``; an
answer that does not come is None there.
"""

import asyncio
from typing import Final

import anyio
import httptools

ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024  # /slots of 256 slots is under 1 MiB


class Answer:
    """A status and a body, filled in by the parser."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.keeps = False


class _Line(asyncio.Protocol):
    """One connection: at most one answer is on its way."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)
        self._told: asyncio.Future[Answer | None] | None = None

    def ask(self, question: bytes) -> "asyncio.Future[Answer | None]":
        """Send a question; the future is None when the connection ends first."""
        self._answer, self._parser = Answer(), httptools.HttpResponseParser(self)
        self._told = asyncio.get_running_loop().create_future()
        if self.transport is None or self.transport.is_closing():
            self._tell(None)
        else:
            self.transport.write(question)
        return self._told

    def close(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def _tell(self, answer: Answer | None) -> None:
        if self._told is not None and not self._told.done():
            self._told.set_result(answer)

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
        if len(self._answer.body) > ANSWER_BYTES_MAX:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio names it
        self.transport = None
        self._tell(None)

    # Called by the parser.

    def on_body(self, body: bytes) -> None:
        self._answer.body += body

    def on_message_complete(self) -> None:
        answer = self._answer
        answer.status = self._parser.get_status_code()
        answer.keeps = self._parser.should_keep_alive()
        self._tell(answer)


class Loopback:
    """The kept connection to one worker. Close it with ``close``."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._host, self._port = host, port
        self._head = f" HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\n\r\n"
        self._line: _Line | None = None

    def close(self) -> None:
        """Close the connection, if there is one."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    async def get(self, path: str, *, within_s: float) -> Answer | None:
        """The answer to ``GET path``; None when there is none in time.

        A kept connection may have been closed by the worker meanwhile: then it
        is asked once more over a new one.
        """
        question = f"GET {path}{self._head}".encode("ascii")
        with anyio.move_on_after(within_s):
            for _ in range(2 if self._line is not None else 1):
                answer = await self._ask(question)
                if answer is not None:
                    return answer
        return None

    async def _ask(self, question: bytes) -> Answer | None:
        answer: Answer | None = None
        try:
            line = self._line
            if line is None:
                loop = asyncio.get_running_loop()
                _, line = await loop.create_connection(_Line, self._host, self._port)
                self._line = line
            answer = await line.ask(question)
        except OSError:
            return None
        finally:  # also when it took too long: a late answer must not meet the next question
            if answer is None or not answer.keeps:
                self.close()
        return answer
