"""``GET /v1/state/stream``: the colony as a snapshot and deltas, one stream a browser tab.

Who has the scope ``read`` watches what readers may see, operators see all
(``queen.state.sampler`` draws the line). ``Last-Event-ID``, or ``?last_event_id=`` where a
client cannot set headers, goes on after that message. Compressed with gzip where the client
takes it; what is compressed is shared by all who watch.
"""

from collections.abc import AsyncGenerator

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from rbee.contracts.principals import LOCAL, Principal
from rbee.foundation.http.gate import PRINCIPAL
from rbee.foundation.http.jobs_api import SSE_HEADERS
from rbee.queen.state.packing import GZIP_HEADER, takes_gzip
from rbee.queen.state.publisher import STREAM_S_MAX, Audience, Publisher, Watcher


def audience_of(principal: Principal) -> Audience:
    """Whose stream a principal gets."""
    return "operators" if principal.operator else "readers"


def state_routes(publisher: Publisher) -> list[Route]:
    """``/v1/state/stream``."""

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

    return [Route("/v1/state/stream", stream, methods=["GET"])]


async def _frames(
    publisher: Publisher, audience: Audience, last_id: str | None, watcher: Watcher
) -> AsyncGenerator[bytes]:
    if watcher.gzip:
        yield GZIP_HEADER
    async for message in publisher.follow(audience, last_id, watcher):
        yield message.deflated() if watcher.gzip else message.plain
