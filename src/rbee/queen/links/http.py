"""A hive's own HTTP API over its link: streams in the place of TCP connections.

``LinkHttp`` is an ``httpx2`` transport, so ``HiveClient`` and all above it stay as they
are. Each connection of its pool is a stream to the target ``hive``, which the hive's own
server answers without any port.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator, Iterable
from typing import Any, Final

import httpcore2
import httpx2

from rbee.foundation.mux.frames import HIVE_TARGET, Lane
from rbee.queen.links.registry import Links

CONNECTIONS_MAX: Final = 64  # commands and followed jobs of one hive at once
HELD_BYTES_MAX: Final = 64 * 1024  # beyond it the stream's credit does the holding
IDLE_S: Final = 30.0  # below the 75 s after which the hive's server closes

_ERRORS: Final[tuple[tuple[type[Exception], type[httpx2.HTTPError]], ...]] = (
    (httpcore2.ConnectTimeout, httpx2.ConnectTimeout),
    (httpcore2.ReadTimeout, httpx2.ReadTimeout),
    (httpcore2.WriteTimeout, httpx2.WriteTimeout),
    (httpcore2.PoolTimeout, httpx2.PoolTimeout),
    (httpcore2.ConnectError, httpx2.ConnectError),
    (httpcore2.WriteError, httpx2.WriteError),
    (httpcore2.RemoteProtocolError, httpx2.RemoteProtocolError),
    (httpcore2.ReadError, httpx2.ReadError),
)


class HttpOverLinks:
    """Transports by hive and lane, made when first wanted: ``queen.lines.Over``."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._made: dict[tuple[str, Lane], LinkHttp] = {}

    def __call__(self, hive_id: str, lane: Lane) -> "LinkHttp | None":
        """HTTP over a hive's link; None while the hive has none."""
        if not self._links.linked(hive_id):
            return None
        made = self._made.get((hive_id, lane))
        if made is None:
            made = self._made[hive_id, lane] = LinkHttp(self._links, hive_id, lane)
        return made


class LinkHttp(httpx2.AsyncBaseTransport):
    """HTTP to one hive over its link."""

    def __init__(self, links: Links, hive_id: str, lane: Lane = "main") -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            network_backend=_Backend(links, hive_id, lane),
            max_connections=CONNECTIONS_MAX,
            keepalive_expiry=IDLE_S,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request, as httpx2 wants it."""
        sent = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=b"http", host=b"hive", port=80, target=request.url.raw_path),
            headers=[
                (name, b"localhost" if name.lower() == b"host" else value)
                for name, value in request.headers.raw
            ],
            content=request.stream,
            extensions=request.extensions,
        )
        with _translated():
            answer = await self._pool.handle_async_request(sent)
        return httpx2.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer),
        )

    async def aclose(self) -> None:
        """Close all streams."""
        await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


@contextlib.contextmanager
def _translated() -> Generator[None]:
    """httpcore2's errors as httpx2's, which our client knows."""
    try:
        yield
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        for theirs, ours in _ERRORS:
            if isinstance(error, theirs):
                raise ours(str(error)) from error
        raise


class _Pipe(asyncio.Protocol):
    """What has come and was not read; whether more may be sent."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.error: Exception | None = None
        self.ended = False
        self._held = bytearray()
        self._paused = False
        self._full = False
        self._moved = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # pyright: ignore[reportAttributeAccessIssue]  a stream goes both ways

    def data_received(self, data: bytes) -> None:
        """Hold it until it is read."""
        self._held += data
        if len(self._held) > HELD_BYTES_MAX and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()
        self._moved.set()

    def eof_received(self) -> None:
        """Nothing more comes."""
        self.ended = True
        self._moved.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream is over."""
        self.ended = True
        self.error = exc
        self._full = False
        self._moved.set()

    def pause_writing(self) -> None:
        """The hive is behind."""
        self._full = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._full = False
        self._moved.set()

    async def read(self, size_max: int) -> bytes:
        """Some bytes; none at the end.

        Raises:
            ConnectionError: the stream broke.
        """
        while not self._held:
            if self.error is not None:
                raise ConnectionError(str(self.error))
            if self.ended:
                return b""
            self._moved.clear()
            await self._moved.wait()
        data = bytes(self._held[:size_max])
        del self._held[:size_max]
        if self._paused and len(self._held) <= HELD_BYTES_MAX and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the hive is behind.

        Raises:
            ConnectionError: the stream broke.
        """
        if self.error is not None or self.transport is None:
            raise ConnectionError(str(self.error))
        self.transport.write(data)
        while self._full:
            self._moved.clear()
            await self._moved.wait()


class _Stream(httpcore2.AsyncNetworkStream):
    """A stream of the link, as httpcore2 wants its connections."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  httpcore2's own
        """Some bytes; none at the end."""
        try:
            async with asyncio.timeout(timeout):
                return await self._pipe.read(max_bytes)
        except TimeoutError:
            raise httpcore2.ReadTimeout("nothing came in time") from None
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  httpcore2's own
        """Send bytes; waits while the hive is behind."""
        try:
            async with asyncio.timeout(timeout):
                await self._pipe.write(buffer)
        except TimeoutError:
            raise httpcore2.WriteTimeout("the hive took nothing in time") from None
        except OSError as error:
            raise httpcore2.WriteError(str(error)) from None

    async def aclose(self) -> None:
        """Close."""
        if self._pipe.transport is not None:
            self._pipe.transport.abort()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  httpcore2's own
        """Whether it can be read: httpcore2 asks before it uses an idle connection again."""
        return self._pipe.ended if info == "is_readable" else None


class _Backend(httpcore2.AsyncNetworkBackend):
    """Opens streams where httpcore2 wants TCP connections."""

    def __init__(self, links: Links, hive_id: str, lane: Lane) -> None:
        self._links = links
        self._hive_id = hive_id
        self._lane: Lane = lane

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore2's own
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A stream to the hive, whatever the address says."""
        del host, port, timeout, local_address, socket_options
        try:
            if self._lane == "bulk":
                await self._links.bulk(self._hive_id)
            pipe = self._links.open(self._hive_id, HIVE_TARGET, _Pipe, lane=self._lane)
        except ConnectionError as error:
            raise httpcore2.ConnectError(str(error)) from None
        return _Stream(pipe)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
