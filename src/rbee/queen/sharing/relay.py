"""Model bytes from one hive to another through the queen, where the two cannot see each other.

The reader shows the ticket of the hive that serves; the queen passes it on, and the
bytes back, by the line that she has to that hive (its bulk link, if it dialled one). She
keeps nothing and looks at nothing. Her loop serves people at the same time, so such
copies are few and slow enough to take a tenth of it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import httpx2
import msgspec

from rbee.client.hive import HiveClient
from rbee.contracts.sharing import FILES_PATH
from rbee.errors import CapacityError
from rbee.foundation.pace import make_pace

RELAYS_MAX: Final = 8  # at once; more would only share the rate
RELAY_RATE_MB_S: Final = 100.0  # 64 KiB cost her some 50 us: a tenth of a core, 0.8 Gbit/s
BUSY_RETRY_S: Final = 5  # a model is gigabytes: sooner none of them has ended
_PASSED_ON: Final = ("content-length", "content-range", "accept-ranges", "etag", "content-type")


class Relayed(msgspec.Struct, frozen=True):
    """An answer to pass on."""

    status: int
    headers: dict[str, str]
    body: AsyncIterator[bytes]


class Relay:
    """All copies through this queen. ``pace`` keeps them below their rate together."""

    def __init__(self, rate_max_mb_s: float | None = RELAY_RATE_MB_S) -> None:
        self._running = 0
        self.pace = make_pace(rate_max_mb_s)

    @asynccontextmanager
    async def open(
        self, line: HiveClient, digest: str, headers: Mapping[str, str]
    ) -> AsyncGenerator[Relayed]:
        """Ask the hive behind ``line`` for the file, with the reader's ``headers``.

        Raises:
            CapacityError: too many copies go through already.
            RbeeError: what the hive answered, or that it does not.
        """
        if self._running >= RELAYS_MAX:
            raise CapacityError(
                f"{self._running} copies of models go through the queen already.",
                retry_after_s=BUSY_RETRY_S,
            )
        self._running += 1
        try:
            path = f"{FILES_PATH}{digest}"
            async with line.transport.stream("GET", path, headers=headers) as response:
                yield Relayed(response.status_code, _kept(response), response.aiter_raw())
        finally:
            self._running -= 1


def _kept(response: httpx2.Response) -> dict[str, str]:
    return {name: response.headers[name] for name in _PASSED_ON if name in response.headers}
