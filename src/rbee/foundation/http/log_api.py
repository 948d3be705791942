"""``GET /v1/logs``: a daemon's own log, as its process remembers it. For operators.

As the logs of workers are served: the last lines as text with ``X-Rbee-Log-Offset``, or with
``follow=1`` lines as SSE messages whose ids go on after a break. Here the offset is a line's
number, since there may be no file.
"""

from collections.abc import AsyncGenerator
from typing import Final

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from rbee.errors import InvalidRequest
from rbee.foundation import sse
from rbee.foundation.http.jobs_api import SSE_HEADERS
from rbee.foundation.log_ring import LINES_KEPT, OWN, LogRing

LINES_DEFAULT: Final = 200  # a screen or three
FOLLOW_EVERY_S: Final = 0.25  # as fast as a person reads
LOG_OFFSET_HEADER: Final = "X-Rbee-Log-Offset"
_DIGITS_MAX: Final = 15  # of a line's number; no process lives that long


def log_routes(ring: LogRing = OWN) -> list[Route]:
    """``/v1/logs`` of a daemon."""

    async def own_log(request: Request) -> Response:
        lines = min(_number(request, "lines", LINES_DEFAULT), LINES_KEPT)
        if request.query_params.get("follow", "0") in {"1", "true"}:
            return StreamingResponse(
                _followed(ring, lines, _after(request)),
                media_type="text/event-stream",
                headers=SSE_HEADERS,
            )
        found = ring.tail(lines)
        text = "".join(f"{line.text}\n" for line in found)
        return PlainTextResponse(text, headers={LOG_OFFSET_HEADER: str(ring.last)})

    return [Route("/v1/logs", own_log, methods=["GET"])]


async def _followed(ring: LogRing, lines: int, after: int | None) -> AsyncGenerator[bytes]:
    last = ring.last  # before the lines: threads write meanwhile
    found = ring.tail(lines) if after is None else ring.after(after)
    last = found[-1].number if found else last
    yield sse.KEEP_ALIVE  # so that its head is out, even where nothing was logged yet
    said_at = anyio.current_time()
    while True:
        for line in found:
            yield sse.frame(msgspec.json.encode({"line": line.text}), event_id=line.number)
        now = anyio.current_time()
        if found:
            said_at = now
        elif now - said_at >= sse.KEEP_ALIVE_EVERY_S:
            said_at = now
            yield sse.KEEP_ALIVE
        await anyio.sleep(FOLLOW_EVERY_S)
        found = ring.after(last)
        last = found[-1].number if found else last


def _after(request: Request) -> int | None:
    last = request.headers.get("last-event-id", "").strip()
    if last.isascii() and last.isdigit():
        return int(last[:_DIGITS_MAX])
    return _number(request, "offset", 0) if "offset" in request.query_params else None


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest(f"`{name}` is {text!r}, not a number.", param=name)
    return int(text[:_DIGITS_MAX])
