"""Bodies that are passed on as they come, and only while somebody reads them.

For answers that are another server's, or a file of any length: nothing is collected, and a
reader that leaves ends the reading behind it at once.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import httpx2
from starlette.types import Receive, Send


async def _at_once(_size_bytes: int) -> None:
    """No pace is kept."""


async def pass_body(
    body: AsyncIterator[bytes],
    receive: Receive,
    send: Send,
    *,
    pace: Callable[[int], Awaitable[None]] = _at_once,
) -> httpx2.HTTPError | None:
    """Pass a body on whose head was sent; returns what cut it, if it was cut.

    A cut body stays unfinished, so that its reader sees that something is missing. ``pace``
    is awaited after each chunk with its bytes.
    """
    async with anyio.create_task_group() as passing:
        passing.start_soon(cancel_when_gone, receive, passing.cancel_scope)
        try:
            async for chunk in body:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await pace(len(chunk))
        except httpx2.HTTPError as error:
            return error
        else:
            await send({"type": "http.response.body", "body": b""})
            return None
        finally:
            passing.cancel_scope.cancel()
    return None  # the reader left


async def cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel ``scope`` when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
