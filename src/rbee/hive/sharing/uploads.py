"""Send a model file to another hive: by range, at most so many at once, at most so fast.

``api/model_files`` has checked who may read what; this writes the answer straight to
ASGI. The file is read in a thread, chunk by chunk, a little ahead of what the reader
has room for. A reader that leaves ends its upload at once. Over the
limit the answer is 503: the reader tries another hive, or comes back.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO, Final

import anyio
import anyio.to_thread
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.types import Receive, Send

from rbee.errors import CapacityError, StorageError
from rbee.foundation.http.passing import cancel_when_gone
from rbee.foundation.pace import make_pace
from rbee.hive.sharing.shelf import Shelf, Shelved

CHUNK_BYTES: Final = 1024 * 1024  # a hop to the reading thread each: 1.3 GB/s, with 256 KiB 0.8
AHEAD: Final = 2  # chunks that wait to be sent: 16 ms at 1 Gbit/s, more than a busy loop's turn
BUSY_RETRY_S: Final = 2  # a gigabyte takes eight at 1 Gbit/s: another hive is the better answer
_RANGE: Final = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")


class Span(msgspec.Struct, frozen=True):
    """Bytes ``start`` to ``end`` (left out) of a file; ``whole`` when no range was asked for."""

    start: int
    end: int
    whole: bool


def span_of(asked: str | None, size_bytes: int) -> Span | None:
    """What a ``Range`` header means for a file; None: nothing of it is there (416).

    One range of the form ``bytes=a-`` or ``bytes=a-b``; any other is answered with the
    whole file, as RFC 9110 (14.2) allows.
    """
    found = _RANGE.fullmatch(asked or "")
    if found is None:
        return Span(0, size_bytes, whole=True)
    start = int(found[1])
    end = min(int(found[2]) + 1, size_bytes) if found[2] else size_bytes
    return Span(start, end, whole=False) if start < end else None


class Uploads:
    """All uploads of one hive. ``uploads_max`` at once, together at most ``rate_max_mb_s``."""

    def __init__(self, shelf: Shelf, *, uploads_max: int, rate_max_mb_s: float | None) -> None:
        self._shelf = shelf
        self._uploads_max = uploads_max
        self._pace = make_pace(rate_max_mb_s)
        self._running = 0

    @property
    def running(self) -> int:
        """How many are being sent now."""
        return self._running

    async def answer(
        self, digest: str, asked: str | None, receive: Receive, send: Send, *, head: bool = False
    ) -> None:
        """Send the file with this digest, or the range ``asked`` of it; ``head``: only its head.

        Raises (before anything is sent):
            ModelNotFound: no such file here. StorageError: it cannot be read.
            CapacityError: too many are running.
        """
        found = await anyio.to_thread.run_sync(self._shelf.by_digest, digest)
        span = span_of(asked, found.size_bytes)
        if head or span is None:
            await send(_start(found, span))
            await send({"type": "http.response.body", "body": b""})
            return
        with self._counted():
            file = await anyio.to_thread.run_sync(_open_at, found, span.start)
            filled, chunks = anyio.create_memory_object_stream[bytes](AHEAD)
            with file, filled, chunks:
                async with anyio.create_task_group() as reading:
                    reading.start_soon(cancel_when_gone, receive, reading.cancel_scope)
                    reading.start_soon(_read, file, span.end - span.start, filled)
                    await send(_start(found, span))
                    await self._send(chunks, send)
                    reading.cancel_scope.cancel()

    @contextmanager
    def _counted(self) -> Generator[None]:
        if self._running >= self._uploads_max:
            raise CapacityError(
                f"This hive sends {self._running} model files already.",
                retry_after_s=BUSY_RETRY_S,
                remedy="Take it from another hive, or try again; `uploads_max` sets how many.",
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def _send(self, chunks: MemoryObjectReceiveStream[bytes], send: Send) -> None:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await self._pace(len(chunk))
        await send({"type": "http.response.body", "body": b""})


async def _read(file: IO[bytes], left: int, chunks: MemoryObjectSendStream[bytes]) -> None:
    """Read ahead, so that the line never waits for the disk or for a thread's turn."""
    with chunks:
        while left:
            chunk = await anyio.to_thread.run_sync(file.read, min(CHUNK_BYTES, left))
            if not chunk:
                return  # the file was cut meanwhile: the reader sees too few bytes
            left -= len(chunk)
            await chunks.send(chunk)


def _open_at(found: Shelved, start: int) -> IO[bytes]:
    try:
        file = found.path.open("rb", buffering=0)
    except OSError as error:
        raise StorageError(f"{found.path} cannot be read: {error.strerror or error}.") from None
    file.seek(start)
    return file


def _start(found: Shelved, span: Span | None) -> dict[str, object]:
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"no-store"),
        (b"etag", f'"{found.sha256}"'.encode()),
    ]
    size = found.size_bytes
    if span is None:
        headers += [(b"content-range", f"bytes */{size}".encode()), (b"content-length", b"0")]
        return _head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers)
    headers.append((b"content-length", str(span.end - span.start).encode()))
    if span.whole:
        return _head(HTTPStatus.OK, headers)
    placed = f"bytes {span.start}-{span.end - 1}/{size}"
    headers.append((b"content-range", placed.encode()))
    return _head(HTTPStatus.PARTIAL_CONTENT, headers)


def _head(status: int, headers: list[tuple[bytes, bytes]]) -> dict[str, object]:
    return {"type": "http.response.start", "status": int(status), "headers": headers}
