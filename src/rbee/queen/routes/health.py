"""One question to a worker over whichever way there is: are you well?"""

import asyncio
from typing import Final, cast

from rbee.queen.registry.workers import RoutableWorker

ANSWER_S: Final = 1.0  # a worker that needs longer to say "ok" is in no state to answer well
_STATUS_LINE_BYTES: Final = 12  # `HTTP/1.1 200`


class Health(asyncio.Protocol):
    """A connection for ``GET /health``; what matters of the answer is its status."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._said = b""
        self._over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Wait for the status line."""
        self._said += data[:_STATUS_LINE_BYTES]
        if len(self._said) >= _STATUS_LINE_BYTES:
            self._settle(well=self._said[9:_STATUS_LINE_BYTES] == b"200")

    def connection_lost(self, exc: Exception | None) -> None:
        """It left without an answer."""
        del exc
        self._settle(well=False)

    async def ask(self, worker: RoutableWorker) -> bool:
        """Whether it answers 200 within ``ANSWER_S``. Closes the connection."""
        if self._transport is None:
            return False
        self._transport.write(
            b"GET /health HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n"
            % f"127.0.0.1:{worker.port}".encode()
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._over
        except TimeoutError:
            return False
        finally:
            self._transport.abort()

    def _settle(self, *, well: bool) -> None:
        if not self._over.done():
            self._over.set_result(well)
