"""Workers' own pages through the queen, on a port of their own, so that they are another origin.

An engine's page is somebody else's program. On the queen's own origin it could read the CSRF
token of a signed-in operator and command the whole colony; on another port of the same host it
cannot read a byte of hers, while the browser still sends the cookie that signs the operator in
(it knows no ports, and the two are one site). So her main port only points there, that port
serves nothing else, and the gate lets a request that changes something come from the page
itself alone. The bytes go by the line to the worker's hive, which adds the secret.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from rbee.errors import NotFound, WorkerNotFound
from rbee.foundation.daemon import Daemon
from rbee.foundation.http.own_pages import Asked, is_page
from rbee.foundation.http.problems import as_problem, send_problem
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony


class WorkerPages:
    """The way from a browser's request to the hive of the worker."""

    def __init__(self, colony: Colony, lines: HiveLines) -> None:
        self._colony = colony
        self._lines = lines

    @asynccontextmanager
    async def open(self, asked: Asked) -> AsyncGenerator[httpx2.Response]:
        """Ask the hive.

        Raises:
            WorkerNotFound: no hive of the colony has such a worker.
            RbeeError: the hive does not answer.
        """
        found = [
            hive_id
            for hive_id, entry in self._colony.workers()
            if entry.stats.worker_id == asked.worker_id
        ]
        if not found:
            raise WorkerNotFound(f"There is no worker {asked.worker_id!r} in this colony.")
        hive = self._colony.find_hive(str(found[0]))
        line = self._lines.to(hive.url, str(hive.id))
        async with line.transport.stream(
            asked.method,
            f"/workers/{asked.worker_id}/ui{asked.target}",
            body=asked.body or None,
            headers=asked.headers,
            errors_too=True,
        ) as answer:
            yield answer


class PagesDoor:
    """ASGI in front of everything: which port is asked decides what there is."""

    def __init__(self, app: ASGIApp, daemon: Daemon) -> None:
        self._app = app
        self._daemon = daemon

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Point to the other port, serve a page there, and nothing else there."""
        pages_port = self._daemon.pages_port
        server = scope.get("server")
        here = pages_port is not None and server is not None and server[1] == pages_port
        page = scope["type"] == "http" and is_page(scope["path"])
        if here == page:
            await self._app(scope, receive, send)
        elif here:
            await self._refuse(scope, send, f"There is nothing at {scope['path'][:128]}.")
        elif pages_port is None:
            await self._refuse(scope, send, "This queen has no port for workers' own pages.")
        else:
            await _point(scope, send, pages_port)

    async def _refuse(self, scope: Scope, send: Send, message: str) -> None:
        error = NotFound(message, remedy=f"The console is at {self._daemon.base_url}.")
        if scope["type"] == "http":
            await send_problem(send, error, as_problem(error))
        else:
            await send({"type": "websocket.close", "code": 1008})


async def _point(scope: Scope, send: Send, port: int) -> None:
    """To the same path at the other port, under the name that the browser came by."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    host = headers.get(b"host", b"localhost").decode("latin-1")
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    target = f"{scope['scheme']}://{name}:{port}{path}{f'?{query}' if query else ''}"
    head = [
        (b"location", target.encode("latin-1")),
        (b"content-length", b"0"),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 307, "headers": head})
    await send({"type": "http.response.body", "body": b""})
