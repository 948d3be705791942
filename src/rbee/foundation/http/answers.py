"""Answers out: structs to JSON, and the routes that every daemon has."""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee.contracts.daemon import Health
from rbee.errors import NotYet


def answer(value: object, *, status: int = 200) -> Response:
    """A struct (or anything that msgspec encodes) as a JSON answer."""
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


def health_route() -> Route:
    """``GET /health``: open to everyone, says nothing but that we are here."""

    async def health(_request: Request) -> Response:
        return answer(Health())

    return Route("/health", health, methods=["GET"])


def not_yet_routes(lines: Sequence[tuple[str, str]]) -> list[Route]:
    """Routes that wire.md describes and this version does not deliver: 501 ``not_yet``.

    ``lines`` are (method, path) pairs.
    """

    async def not_yet(request: Request) -> Response:
        raise NotYet(f"{request.method} {request.url.path} is not delivered by this version.")

    return [Route(path, not_yet, methods=[method]) for method, path in lines]
