"""``GET /v1/state/stream``: the colony as a snapshot and deltas, one stream a browser tab.

Who has the scope ``read`` watches what readers may see, operators see all
(``queen.state.sampler`` draws the line). ``Last-Event-ID``, or ``?last_event_id=`` where a
client cannot set headers, goes on after that message. Compressed with gzip where the client
takes it; what is compressed is shared by all who watch.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from rbee.contracts.principals import LOCAL, Principal
from rbee.errors import InvalidRequest
from rbee.foundation import sse
from rbee.foundation.http.gate import PRINCIPAL
from rbee.foundation.http.jobs_api import SSE_HEADERS
from rbee.queen.state.packing import GZIP_HEADER, deflate, takes_gzip
from rbee.queen.state.publisher import STREAM_S_MAX, Audience, Publisher, Watcher

_GREETING: Final = sse.comment("the colony's state: a snapshot, then deltas")


def audience_of(principal: Principal) -> Audience:
    """Whose stream a principal gets."""
    return "operators" if principal.operator else "readers"


def state_routes(publisher: Publisher) -> list[Route]:
    """``/v1/state/stream``, and ``/v1/ws`` for who does not upgrade."""

    async def stream(request: Request) -> Response:
        publisher.check_room()
        principal: Principal = request.scope.get(PRINCIPAL, LOCAL)
        last_id = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
        watcher = Watcher(
            principal.id,
            gzip=takes_gzip(request.headers.get("accept-encoding", "")),
            until=anyio.current_time() + STREAM_S_MAX,
        )
        headers = {**SSE_HEADERS, "vary": "Accept-Encoding"}
        if watcher.gzip:
            headers["content-encoding"] = "gzip"
        return StreamingResponse(
            _frames(publisher, audience_of(principal), last_id, watcher),
            media_type="text/event-stream",
            headers=headers,
        )

    async def mirror(_request: Request) -> Response:
        # Those that upgrade never come here: `queen.api.ws` takes their connection.
        raise InvalidRequest(
            "This is a WebSocket, and the request did not ask for one.",
            remedy="Use a WebSocket client, or read /v1/heartbeats/stream or /v1/state/stream.",
        )

    return [
        Route("/v1/state/stream", stream, methods=["GET"]),
        Route("/v1/ws", mirror, methods=["GET"]),
    ]


async def _frames(
    publisher: Publisher, audience: Audience, last_id: str | None, watcher: Watcher
) -> AsyncGenerator[bytes]:
    # At once, whatever the first sample takes: a client knows that it was let in.
    yield GZIP_HEADER + deflate(_GREETING) if watcher.gzip else _GREETING
    async with aclosing(publisher.follow(audience, last_id, watcher)) as messages:
        async for message in messages:
            yield message.deflated() if watcher.gzip else message.plain
