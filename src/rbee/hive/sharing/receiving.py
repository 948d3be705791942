"""Receive a model file from another hive as fast as the line is.

``models/transfer`` is for hubs: redirects, proxies, patience. Between machines of one
colony a line carries ten gigabits, and an HTTP library that hands over 64 KiB at a time
spends a core on two of them. So this is a thread with a blocking connection that reads
a mebibyte at a time straight into the file. It appends to what an earlier attempt left.
Cancelling closes the connection, and returns when the thread has let go of the file.
"""

import asyncio
import http.client
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit

import anyio
import anyio.from_thread
import anyio.to_thread
import msgspec

from rbee.errors import CapacityError, HubError
from rbee.foundation.pace import Pace, unlimited
from rbee.hive.models.partial import out_of_order

CHUNK_BYTES: Final = 1024 * 1024  # one report each: a thousand for a gigabyte
CONNECT_TIMEOUT_S: Final = 3.0  # a machine on the same network answers in milliseconds
READ_TIMEOUT_S: Final = 10.0  # without a byte: that hive is gone, hung or cut off
RETRIES_MAX: Final = 1  # without a new byte: one cut is an accident, then another hive is better
RETRY_AFTER_S: Final = 0.2  # a line that flickers is back by then, a hive that restarts is not

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

Report = Callable[[int, int | None], None]
"""``report(bytes_so_far, total)``."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to read, and into which file. ``size_bytes`` null: as much as is announced."""

    url: str
    headers: Mapping[str, str]
    target: Path
    size_bytes: int | None = None
    context: ssl.SSLContext | None = None


async def receive(asked: Request, report: Report, pace: Pace) -> None:
    """Have the whole file in ``asked.target``, continuing what it holds.

    Raises:
        HubError: the hive does not answer, refuses, or stopped in the middle.
        CapacityError: it is busy with others.
        DiskFull, StorageError: the file cannot be written.
    """
    failures = 0
    while True:
        before = _size(asked.target)
        try:
            await _attempt(_Reader(asked, report, pace))
        except HubError:
            failures = 0 if _size(asked.target) > before else failures + 1
            if failures > RETRIES_MAX:
                raise
            await anyio.sleep(RETRY_AFTER_S)
        else:
            return


async def _attempt(reader: "_Reader") -> None:
    try:
        await anyio.to_thread.run_sync(reader.run, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        reader.stop()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(reader.ended.wait)
        raise


class _Reader:
    """One request, in a thread."""

    def __init__(self, asked: Request, report: Report, pace: Pace) -> None:
        self._asked = asked
        self._report = report
        self._pace = pace
        self._line: http.client.HTTPConnection | None = None
        self._stopped = False
        self._loop = asyncio.get_running_loop()
        self.ended = threading.Event()

    def stop(self) -> None:
        """End it soon: nothing is read any more."""
        self._stopped = True
        line = self._line
        if line is not None and line.sock is not None:
            with suppress(OSError):
                line.sock.shutdown(2)  # wakes the thread that reads

    def run(self) -> None:
        """Read it. Raises as ``receive``."""
        try:
            self._line = _connection(self._asked)
            self._read(self._line)
        except (OSError, http.client.HTTPException) as error:
            raise HubError(f"{_describe(error)} ({_origin(self._asked.url)})") from None
        finally:
            if self._line is not None:
                self._line.close()
            self.ended.set()

    def _read(self, line: http.client.HTTPConnection) -> None:
        asked = self._asked
        have = _size(asked.target)
        if asked.size_bytes is not None and have > asked.size_bytes:
            asked.target.unlink()
            have = 0
        if asked.size_bytes is not None and have == asked.size_bytes:
            return
        headers = {**asked.headers, "accept-encoding": "identity", "connection": "close"}
        if have:
            headers["range"] = f"bytes={have}-"
        parts = urlsplit(asked.url)
        line.connect()
        line.sock.settimeout(READ_TIMEOUT_S)
        line.request("GET", parts.path, headers=headers)
        response = line.getresponse()
        start, total = self._placed(response, have)
        if asked.size_bytes is not None and total != asked.size_bytes:
            raise HubError(f"{_origin(asked.url)} has a file of another size.")
        self._copy(response, start, total)

    def _placed(self, response: http.client.HTTPResponse, have: int) -> tuple[int, int]:
        """Where the body starts in the file, and the file's size."""
        if response.status == HTTPStatus.OK:
            return 0, response.length or 0
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            found = _CONTENT_RANGE.fullmatch(response.getheader("content-range", ""))
            if found is not None and int(found[1]) == have:
                return have, int(found[2])
            raise HubError(f"{_origin(self._asked.url)} answered with another range than asked.")
        if response.status in _BUSY:
            raise CapacityError("it is busy with others")
        raise HubError(f"it answers {response.status}")

    def _copy(self, response: http.client.HTTPResponse, have: int, total: int) -> None:
        buffer = bytearray(CHUNK_BYTES)
        view = memoryview(buffer)
        try:
            file = self._asked.target.open("ab" if have else "wb", buffering=0)
        except OSError as error:
            raise out_of_order(self._asked.target, error) from None
        with file:
            while have < total and not self._stopped:
                count = response.readinto(view[: min(CHUNK_BYTES, total - have)])
                if not count:
                    raise HubError("it stopped in the middle")
                _write(file, view[:count], self._asked.target)
                have += count
                if not self._stopped:
                    # Waiting for the loop's turn at each chunk would cost a busy hive its speed.
                    self._loop.call_soon_threadsafe(self._report, have, total)
                    if self._pace is not unlimited:
                        anyio.from_thread.run(self._wait, count)

    async def _wait(self, count: int) -> None:
        await self._pace(count)


def _write(file: BinaryIO, data: memoryview, target: Path) -> None:
    try:
        while data:
            data = data[file.write(data) :]
    except OSError as error:
        raise out_of_order(target, error) from None


def _connection(asked: Request) -> http.client.HTTPConnection:
    """A connection that is not made yet.

    Raises:
        HubError: an https address, and nothing here that could check who is there.
    """
    parts = urlsplit(asked.url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=CONNECT_TIMEOUT_S)
    if asked.context is None:
        raise HubError("this hive has no certificate of the colony to speak TLS with")
    return http.client.HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT_S, context=asked.context)


def _describe(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no byte came in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, ssl.SSLError):
        return f"not who was expected ({error.reason or error})"
    return "the connection was cut" if isinstance(error, OSError) else "no HTTP answer"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
