"""The hive's doors for model files: a ticket for the queen, the bytes for another hive.

``POST /v1/models/tickets`` is the operator's, so the queen's: she decides which hive
may have which file. ``GET /v1/models/files/SHA256`` stands in front of the gate for
those who show a ticket: it opens this one file to this one hive, and nothing else.
Without a ticket the gate decides as everywhere, and lets the operator in alone.
"""

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rbee.contracts.decode import decode_json
from rbee.contracts.sharing import FILES_PATH, TICKET_HEADER, TicketAsk
from rbee.errors import Forbidden, InvalidRequest, RbeeError
from rbee.foundation.http.answers import answer
from rbee.foundation.http.body import read_body
from rbee.foundation.http.gate import Policy, check_origin
from rbee.foundation.http.problems import as_problem, send_problem
from rbee.hive.sharing.giving import Sharing, digest_in

PEER_HIVE = "rbee.hive"
"""Where the hive's id of a TLS client certificate stands in an ASGI scope, if there is one."""

_ASK_BYTES_MAX = 16 * 1024  # two short strings
_HTTP = "http"
_METHODS = frozenset({"GET", "HEAD"})


class _File(Response):
    """Starlette's way to an answer that ``Uploads`` writes."""

    def __init__(self, sharing: Sharing) -> None:
        super().__init__()
        self._sharing = sharing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._sharing.send(scope, receive, send)


def model_file_routes(sharing: Sharing) -> list[Route]:
    """The routes behind the gate."""

    async def ticket(request: Request) -> Response:
        asked = decode_json(await read_body(request, bytes_max=_ASK_BYTES_MAX), TicketAsk)
        if not asked.reader:
            raise InvalidRequest("`reader` is empty at `$.reader`.", param="$.reader")
        return answer(await sharing.ticket(asked))

    async def file(_request: Request) -> Response:
        return _File(sharing)

    return [
        Route("/v1/models/tickets", ticket, methods=["POST"]),
        Route(FILES_PATH + "{sha256}", file, methods=["GET", "HEAD"]),
    ]


class TicketDoor:
    """ASGI in front of the gate: who shows a ticket for a file gets the file."""

    def __init__(self, gated: ASGIApp, policy: Policy, sharing: Sharing) -> None:
        self._gated = gated
        self._policy = policy
        self._sharing = sharing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything without a ticket goes to the gate untouched."""
        if scope["type"] != _HTTP or not scope["path"].startswith(FILES_PATH):
            await self._gated(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        ticket = headers.get(TICKET_HEADER.encode())
        if ticket is None or scope["method"] not in _METHODS:
            await self._gated(scope, receive, send)
            return
        try:
            if scope.get(PEER_HIVE) is None:  # a certificate says more than the name it came by
                check_origin(self._policy, headers)
            self._check(ticket, scope)
            await self._sharing.send(scope, receive, send)
        except RbeeError as error:
            await send_problem(send, error, as_problem(error))

    def _check(self, ticket: bytes, scope: Scope) -> None:
        digest = digest_in(scope["path"])
        tickets = self._sharing.tickets
        reader = tickets.reader_of(ticket.decode("latin-1"), digest, time.time())
        peer = scope.get(PEER_HIVE)
        if peer is not None and peer != reader:
            raise Forbidden(f"This ticket is for the hive {reader}, not for {peer}.")
