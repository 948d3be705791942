"""Hives come in here, and their figures go out: join, beat, and the live stream.

A beat goes to the registry, which answers with what it wants next, and on to the
listeners of ``/v1/heartbeats/stream``. Keys of workers stop at the registry.
"""

from collections.abc import Callable
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Scope

from rbee.contracts.decode import decode_json
from rbee.contracts.hives import Heartbeat, HiveReady
from rbee.contracts.principals import Principal
from rbee.errors import InvalidRequest
from rbee.foundation import logs
from rbee.foundation.addresses import peer_address
from rbee.foundation.http.answers import answer
from rbee.foundation.http.body import read_body
from rbee.foundation.http.gate import PRINCIPAL
from rbee.foundation.http.jobs_api import SSE_HEADERS
from rbee.queen.registry.colony import Colony
from rbee.queen.telemetry import Telemetry

BEAT_BYTES_MAX: Final = 8 * 1024 * 1024  # 10,000 models at about 500 bytes each, and room
READY_BYTES_MAX: Final = 64 * 1024  # three short strings

CheckSpeaker = Callable[[str | None, str], None]
"""From the hive that a certificate names, and the one that is spoken for; raises Forbidden."""

_log = logs.get(__name__)


def is_near(scope: Scope) -> bool | None:
    """Whether a request came from the queen's own machine; None where the server cannot tell.

    It did over loopback, or from the very address that it went to.
    """
    peer, own = _host(scope.get("client")), _host(scope.get("server"))
    address = peer_address(peer)
    return None if address is None else address.is_loopback or peer == own


def _host(place: tuple[str, int | None] | None) -> str:
    return "" if place is None else str(place[0]).partition("%")[0]


def heartbeat_routes(
    colony: Colony, telemetry: Telemetry, check_speaker: CheckSpeaker
) -> list[Route]:
    """``/v1/hive/ready``, ``/v1/hive-heartbeat`` and ``/v1/heartbeats/stream`` (**S**).

    ``check_speaker`` refuses words in another hive's name.
    """

    async def ready(request: Request) -> Response:
        body = await read_body(request, bytes_max=READY_BYTES_MAX)
        message = decode_json(body, HiveReady)
        check_speaker(_speaker(request), message.hive_id)
        ack = colony.ready(message, anyio.current_time(), near=is_near(request.scope))
        _log.info("hive joins", hive=message.hive_id, url=message.hive_url)
        return answer(ack)

    async def beat(request: Request) -> Response:
        heartbeat = decode_json(await read_body(request, bytes_max=BEAT_BYTES_MAX), Heartbeat)
        check_speaker(_speaker(request), heartbeat.hive_id)
        ack = colony.beat(heartbeat, anyio.current_time(), near=is_near(request.scope))
        if ack.message:
            _log.warning("beat", hive=heartbeat.hive_id, note=ack.message)
        else:
            telemetry.beat(heartbeat)
        return answer(ack)

    async def stream(_request: Request) -> Response:
        return StreamingResponse(
            telemetry.frames(), media_type="text/event-stream", headers=SSE_HEADERS
        )

    async def link(_request: Request) -> Response:
        # Those that upgrade never come here: `queen.links.door` takes their connection.
        raise InvalidRequest(
            "This is a hive's link: a WebSocket, and the request did not ask for one.",
            remedy="`rbee hive run` speaks it; docs/link.md describes it.",
        )

    return [
        Route("/v1/hive/link", link, methods=["GET"]),
        Route("/v1/hive/ready", ready, methods=["POST"]),
        Route("/v1/hive-heartbeat", beat, methods=["POST"]),
        Route("/v1/heartbeats/stream", stream, methods=["GET"]),
    ]


def _speaker(request: Request) -> str | None:
    """The hive that the connection's certificate names, if it names one."""
    principal: Principal = request.scope[PRINCIPAL]
    return principal.hive_id
