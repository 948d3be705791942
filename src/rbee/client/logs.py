"""Logs of workers, hives and the queen, as the queen gives them: the last lines, and what follows.

All of these routes are alike: ``?lines=N`` is plain text, ``&follow=1`` a stream of lines,
each with the offset after it as its id, so that a broken connection goes on without a gap.
"""

from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import quote, urlencode

import anyio
import httpx2
import msgspec

from rbee.client.transport import Transport
from rbee.errors import ContractError, RbeeError, RemoteError
from rbee.foundation.sse import EventReader

_AGAIN_S: Final = 1.0  # after a break: a restarted room is back within a second or two


def worker_log_path(hive_id: str, worker_id: str) -> str:
    """The route of a worker's log, through the queen."""
    return f"/v1/hives/{quote(hive_id, safe='')}/workers/{quote(worker_id, safe='')}/logs"


def hive_log_path(hive_id: str) -> str:
    """The route of a hive's own log, through the queen."""
    return f"/v1/hives/{quote(hive_id, safe='')}/logs"


QUEEN_LOG_PATH: Final = "/v1/logs"


class _Line(msgspec.Struct):
    line: str


async def last_lines(transport: Transport, path: str, lines: int) -> str:
    """The last lines of a log, as text.

    Raises:
        RbeeError: there is no such log, or it may not be read.
    """
    async with transport.stream("GET", f"{path}?{urlencode({'lines': lines})}") as response:
        return (await response.aread()).decode("utf-8", errors="replace")


async def followed(transport: Transport, path: str, lines: int) -> AsyncGenerator[str]:
    """The last lines one by one, then each new one; for ever. Wrap it in ``aclosing``.

    Raises:
        ContractError: there is no such log, or it may not be read.
        RemoteError: what comes is no log.
    """
    query = urlencode({"lines": lines, "follow": 1})
    last_id: str | None = None
    while True:
        reader = EventReader()
        headers = {} if last_id is None else {"last-event-id": last_id}
        try:
            async with transport.stream("GET", f"{path}?{query}", headers=headers) as response:
                async for chunk in response.aiter_bytes():
                    for event in reader.feed(chunk):
                        last_id = event.id or last_id
                        yield msgspec.json.decode(event.data, type=_Line).line
        except ContractError:
            raise
        except ValueError as error:  # msgspec's, or EventReader's: an event without an end
            raise RemoteError(
                f"{path} is followed by something that is no log: {error}.",
                remedy="Are both of the same version? `rbee doctor` says.",
            ) from None
        except (RbeeError, httpx2.HTTPError):
            if last_id is None:
                raise
        await anyio.sleep(_AGAIN_S)
