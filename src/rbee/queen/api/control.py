"""Who the queen is, and how to stop her."""

import ipaddress
import os
import time
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee import __version__
from rbee.contracts.daemon import ServiceInfo, ShutdownAck, ShutdownRequest
from rbee.contracts.decode import decode_json
from rbee.errors import Forbidden
from rbee.foundation.daemon import Daemon
from rbee.foundation.http.answers import answer
from rbee.foundation.http.body import read_body

FEATURES: Final = ("jobs", "openai", "heartbeats", "spawn_on_demand", "auto_download")

_SHUTDOWN_BYTES_MAX: Final = 4096  # one flag


def control_routes(
    daemon: Daemon, *, has_key: bool, auto_download: Callable[[], bool]
) -> list[Route]:
    """``/v1/info`` and ``/v1/shutdown``."""
    started_at = time.time()

    async def info(_request: Request) -> Response:
        return answer(
            ServiceInfo(
                service="queen",
                version=__version__,
                base_url=daemon.base_url,
                port=daemon.port,
                pid=os.getpid(),
                features=[name for name in FEATURES if name != "auto_download" or auto_download()],
                started_at=started_at,
            )
        )

    async def shutdown(request: Request) -> Response:
        body = await read_body(request, bytes_max=_SHUTDOWN_BYTES_MAX)
        wish = decode_json(body, ShutdownRequest) if body.strip() else ShutdownRequest()
        if not has_key and not _is_from_here(request):
            raise Forbidden("Only this machine, or who has the key, may stop the queen.")
        daemon.stop.ask(keep_workers=wish.keep_workers)
        return answer(ShutdownAck(message="Running answers get a few seconds to end."))

    return [
        Route("/v1/info", info, methods=["GET"]),
        Route("/v1/shutdown", shutdown, methods=["POST"]),
    ]


def _is_from_here(request: Request) -> bool:
    """Whether the connection comes from this machine."""
    if request.client is None:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
