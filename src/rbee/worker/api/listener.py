"""The port of a library engine: uvicorn on a socket that is bound already.

The rule: a stop signal ends the process at once. Draining is the queen's, done
before a worker is told to stop.
"""

import asyncio
import socket
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rbee.worker.api.exchange import TRANSPORT_KEY
from rbee.worker.leaving import leave_on_signal

if TYPE_CHECKING:
    from starlette.types import ASGIApp

KEEP_ALIVE_S = 5  # llama.cpp's own, so that clients meet the same reuse race


class _Protocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with the transport within reach of the fault scripts."""

    # asyncio types the argument wider than what a TCP server ever passes.
    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT_KEY: transport}


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        leave_on_signal(sig, frame)


async def serve_on(listener: socket.socket, api: "ASGIApp") -> None:
    """Serve until a signal ends the process."""
    config = uvicorn.Config(
        api,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    await _Server(config).serve(sockets=[listener])
