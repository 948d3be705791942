"""A whole queen in this process: her real app behind an in-process transport."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import msgspec

from rbee.foundation.daemon import Daemon
from rbee.queen.app import Queen
from rbee.queen.settings import Settings


class RunningQueen(msgspec.Struct, kw_only=True):
    """The queen, her daemon (never served) and a client that calls her app directly.

    The client's transport gives an answer when it is whole: fit for answers that
    end, not for live streams.
    """

    queen: Queen
    daemon: Daemon
    http: httpx2.AsyncClient
    transport: httpx2.ASGITransport


@asynccontextmanager
async def running_queen(
    *,
    settings: Settings | None = None,
    key: str | None = None,
    hive_http: httpx2.AsyncBaseTransport | None = None,
    client: tuple[str, int] = ("127.0.0.1", 50_000),
) -> AsyncGenerator[RunningQueen]:
    """A queen whose loops run for the length of a block. ``client`` is who seems to call."""
    daemon = Daemon("queen", "127.0.0.1", 0)
    try:
        queen = Queen(
            settings or Settings(quiet_s=0.2, store="memory"), daemon, key=key, hive_http=hive_http
        )
        transport = httpx2.ASGITransport(app=queen.app, client=client, raise_app_exceptions=False)
        async with (
            queen.running(),
            httpx2.AsyncClient(transport=transport, base_url=daemon.base_url) as http,
        ):
            yield RunningQueen(queen=queen, daemon=daemon, http=http, transport=transport)
    finally:
        for listener in daemon.sockets:
            listener.close()
