"""``/v1/keys``: API keys made, listed and revoked. Operators only, as ``access`` has it.

What is asked goes to ``queen.keys.book``. Unknown fields are refused here, unlike elsewhere:
a misspelt limit would make a key that has none.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee.contracts.decode import decode_json
from rbee.contracts.keys import KeyList, KeyWish
from rbee.contracts.principals import LOCAL
from rbee.foundation.http.answers import answer
from rbee.foundation.http.body import read_body
from rbee.foundation.http.gate import PRINCIPAL
from rbee.queen.keys.book import KeyBook

_WISH_BYTES_MAX: Final = 64 * 1024  # 64 patterns of 256 characters, and room


class _StrictWish(KeyWish, kw_only=True, forbid_unknown_fields=True):
    """A wish with nothing in it that would be ignored."""


def key_routes(book: KeyBook) -> list[Route]:
    """``GET`` and ``POST /v1/keys``, ``DELETE /v1/keys/{id}``."""

    # None answers before what is kept is known: nobody must hear that a key never was.
    async def listing(_request: Request) -> Response:
        await book.ready()
        return answer(KeyList(keys=book.list()))

    async def create(request: Request) -> Response:
        wish = decode_json(await read_body(request, bytes_max=_WISH_BYTES_MAX), _StrictWish)
        await book.ready()
        return answer(await book.create(wish, request.scope.get(PRINCIPAL, LOCAL)), status=201)

    async def revoke(request: Request) -> Response:
        await book.ready()
        who = request.scope.get(PRINCIPAL, LOCAL)
        return answer(await book.revoke(request.path_params["id"], who))

    return [
        Route("/v1/keys", listing, methods=["GET"]),
        Route("/v1/keys", create, methods=["POST"]),
        Route("/v1/keys/{id}", revoke, methods=["DELETE"]),
    ]
