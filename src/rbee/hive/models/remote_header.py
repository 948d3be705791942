"""Read a model's header from its source before the model is downloaded.

The start of the file is fetched by HTTP ranges, more of it each time the reader
wants more, up to a bound: gigabytes are never moved to learn what fits. The
header goes through the same reader as a local one. A token goes to the host that
was asked; a redirect to another one is followed without it (the HTTP client's
rule, and a test's).
"""

import re
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Final

import anyio.to_thread
import httpx2

from rbee.errors import HubError
from rbee.foundation.gguf import GgufHeader, parse_header
from rbee.hive.models.transfer import Refusal

FIRST_BYTES: Final = 1024 * 1024  # a small vocabulary's whole header
TOTAL_BYTES_MAX: Final = 32 * 1024 * 1024  # the largest headers known have 12 MiB
_CHUNK_BYTES: Final = 64 * 1024  # what may come too much when a server ignores a range's end
_CONTENT_RANGE: Final = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+)")


async def read_remote_header(
    client: httpx2.AsyncClient,
    url: str,
    *,
    label: str,
    headers: Mapping[str, str],
    refusal: Refusal,
    size_bytes: int | None = None,
) -> GgufHeader:
    """The header of the file at ``url``; at most ``TOTAL_BYTES_MAX`` are fetched.

    ``size_bytes`` is the whole file's size where it is known; ``label`` names the
    file in errors; ``refusal`` says what a bad status means at this source.

    Raises:
        CorruptModel: it is no model, or damaged, or cut.
        HubError: the network or the server failed, or the header is too long.
        RbeeError: what ``refusal`` makes of a status.
    """
    start = _Start(size_bytes)
    await _fetch(client, url, start, FIRST_BYTES, headers, refusal)
    while True:
        try:
            return await anyio.to_thread.run_sync(partial(start.parse, label))
        except _WantsMore:
            have = len(start.content)
        if have >= TOTAL_BYTES_MAX:
            raise HubError(
                f"The header of {label} is longer than {TOTAL_BYTES_MAX:,} bytes.",
                remedy="Download it to learn what it needs.",
            )
        step = min(2 * have, TOTAL_BYTES_MAX - have)
        await _fetch(client, url, start, step, headers, refusal)
        if len(start.content) == have:
            raise HubError(f"The source of {label} sends no more than {have:,} bytes of it.")


class _WantsMore(Exception):
    """The reader asked for bytes that are not here yet."""


class _Start:
    """The file's first bytes, and its size once a server said it."""

    def __init__(self, size_bytes: int | None) -> None:
        self.content = bytearray()
        self.size_bytes = size_bytes

    def parse(self, label: str) -> GgufHeader:
        """Raises _WantsMore, CorruptModel."""
        size_bytes = self.size_bytes if self.size_bytes is not None else len(self.content)
        return parse_header(self._read_at, size_bytes, label)

    def _read_at(self, offset: int, size: int) -> bytes:
        end = offset + size
        if end > len(self.content) and not self._complete():
            raise _WantsMore
        return bytes(self.content[offset:end])

    def _complete(self) -> bool:
        return self.size_bytes is not None and len(self.content) >= self.size_bytes


async def _fetch(
    client: httpx2.AsyncClient,
    url: str,
    start: _Start,
    count: int,
    headers: Mapping[str, str],
    refusal: Refusal,
) -> None:
    """Add up to ``count`` bytes to ``start``."""
    have = len(start.content)
    wanted = {
        **headers,
        "Accept-Encoding": "identity",
        "Range": f"bytes={have}-{have + count - 1}",
    }
    try:
        async with client.stream("GET", url, headers=wanted) as response:
            if not response.is_success:
                raise refusal(response)
            skip = _skipped(response, start)
            await _read(response, start, skip, have + count)
    except httpx2.RequestError as error:
        raise HubError(
            f"The start of a model's file cannot be read ({type(error).__name__}).",
            remedy="Check the network and try again.",
        ) from None


def _skipped(response: httpx2.Response, start: _Start) -> int:
    """How many bytes of the body are here already; notes the file's size."""
    have = len(start.content)
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if found is None or int(found["start"]) != have:
            raise HubError("A source answered with another range than asked.")
        if start.size_bytes is None:
            start.size_bytes = int(found["total"])
        return 0
    length = response.headers.get("content-length", "")
    if start.size_bytes is None and length.isdigit():
        start.size_bytes = int(length)
    return have  # no ranges here: the file comes from its beginning


async def _read(response: httpx2.Response, start: _Start, skip: int, until: int) -> None:
    """Read up to position ``until``, then leave: not every server heeds a range's end."""
    async for chunk in response.aiter_bytes(_CHUNK_BYTES):
        fresh = chunk[skip:]
        skip = max(0, skip - len(chunk))
        start.content += fresh[: until - len(start.content)]
        if len(start.content) >= until:
            return
