"""The queen's doors to what only a hive can say: its devices, its hub search, its workers' logs.

``GET /v1/hives/ID/…`` and the one ``POST`` that tries engines anew go to the hive by her line
(its link, else its address) and come back as they arrive: a log that is followed is streamed,
nothing is collected here. Only the paths listed below lead anywhere, the query and the id of
the last line seen are all that is passed on, and an error of the hive's is told as the hive
told it. For operators: ``access`` opens none of them to anybody else.
"""

from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from rbee.client.hive import HiveClient
from rbee.errors import CapacityError, WorkerNotFound
from rbee.foundation import logs
from rbee.foundation.http.passing import pass_body
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony

PASSED_MAX: Final = 64  # a browser holds six per tab; each one here is a stream of a link
BUSY_RETRY_S: Final = 5  # somebody closes a log

DOORS: Final = (
    ("GET", "capabilities"),
    ("GET", "engines"),
    ("POST", "engines/probe"),
    ("GET", "info"),
    ("GET", "settings"),
    ("GET", "models/search"),
    ("GET", "models/offer"),
    ("GET", "workers/{worker_id}/logs"),
    ("GET", "logs"),
)
_HEADERS: Final = ("content-type", "content-length", "cache-control", "x-rbee-log-offset")
_OURS: Final = (
    # A hive that lies answers with a page: in a browser it is nobody's, and runs nothing.
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
)
_STEPS: Final = frozenset({".", ".."})

_log = logs.get(__name__)


def hive_door_routes(colony: Colony, lines: HiveLines) -> list[Route]:
    """A route for each of ``DOORS``."""
    turns = _Turns()

    def door(method: str, path: str) -> Route:
        async def pass_on(request: Request) -> Response:
            hive = colony.find_hive(request.path_params["hive_id"])
            worker_id = request.path_params.get("worker_id")
            if worker_id in _STEPS:  # clients resolve them: it would be another path
                raise WorkerNotFound(f"There is no worker {worker_id!r}.")
            named = {name: quote(value, safe="") for name, value in request.path_params.items()}
            target = f"/v1/{path.format(**named)}"
            if request.url.query:
                target = f"{target}?{request.url.query}"
            seen = request.headers.get("last-event-id")
            return _Passed(
                turns,
                lines.to(hive.url, str(hive.id)),
                method,
                target,
                {} if seen is None else {"last-event-id": seen},
            )

        return Route(f"/v1/hives/{{hive_id}}/{path}", pass_on, methods=[method])

    return [door(method, path) for method, path in DOORS]


class _Turns:
    """How many answers pass at the moment."""

    def __init__(self) -> None:
        self._running = 0

    def __enter__(self) -> None:
        if self._running >= PASSED_MAX:
            raise CapacityError(
                f"{self._running} answers of hives pass through the queen already.",
                remedy="Close a log that is followed, or try again.",
                retry_after_s=BUSY_RETRY_S,
            )
        self._running += 1

    def __exit__(self, *_: object) -> None:
        self._running -= 1


class _Passed(Response):
    """An answer whose head and body come from a hive."""

    def __init__(
        self, turns: _Turns, line: HiveClient, method: str, target: str, headers: dict[str, str]
    ) -> None:
        super().__init__()
        self._turns = turns
        self._line = line
        self._method = method
        self._target = target
        self._asked = {**headers, "accept-encoding": "identity", "accept": "*/*"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's
        asking = self._line.transport.stream(self._method, self._target, headers=self._asked)
        with self._turns:
            async with asking as found:
                kept = [
                    (n.encode(), found.headers[n].encode()) for n in _HEADERS if n in found.headers
                ]
                head = [*kept, *_OURS]
                await send(
                    {"type": "http.response.start", "status": found.status_code, "headers": head}
                )
                cut = await pass_body(found.aiter_raw(), receive, send)
        if cut is not None:  # the browser asks again
            _log.info("hive's answer cut", path=self._target, reason=type(cut).__name__)
