"""A raw asyncio listener for tests that leaves nothing open behind it.

A socket that a test forgets is collected during another test and fails that one
with a ResourceWarning. So every connection is ended here, also one that was
accepted in the very moment of the end, and ``with`` is left only when the loop has
really closed them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What is done with one connection."""

_TURNS: Final = 8  # an accept, its task, its transport and its end take a turn of the loop each


@asynccontextmanager
async def listening(serve: Serve) -> AsyncGenerator[int]:
    """Serve on a free loopback port; gives the port. Connections end with the block."""
    wires: set[asyncio.StreamWriter] = set()
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wires.add(writer)
        if (task := asyncio.current_task()) is not None:
            tasks.add(task)
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever asked has gone
        except asyncio.CancelledError:
            pass  # all ends, and nobody awaits it; Python 3.11 prints a cancelled one as an error
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await _turns()
        for writer in wires:
            writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _turns()


async def _turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
