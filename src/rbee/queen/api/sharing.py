"""The queen's doors for models between hives: who has one, and its bytes through her.

``POST /v1/hive/models/seek`` is a hive's question, ``GET
/v1/hives/ID/models/files/SHA256`` the bytes of a hive that the asker cannot see. Both are
for hives, which may ask for themselves alone, and for operators.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from rbee.client.hive import HiveClient
from rbee.contracts.decode import decode_json
from rbee.contracts.principals import LOCAL, Principal
from rbee.contracts.sharing import TICKET_HEADER, ModelSeek, is_digest, reader_in
from rbee.errors import Forbidden, InvalidRequest
from rbee.foundation import logs
from rbee.foundation.http.answers import answer
from rbee.foundation.http.body import read_body
from rbee.foundation.http.gate import PRINCIPAL
from rbee.foundation.http.passing import pass_body
from rbee.queen.api.hive_doors import hive_door_routes
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony
from rbee.queen.sharing.relay import Relay
from rbee.queen.sharing.seeking import Seeking

SEEK_BYTES_MAX: Final = 128 * 1024  # 64 names of hives at their longest, and room

_log = logs.get(__name__)


def sharing_routes(colony: Colony, lines: HiveLines) -> list[Route]:
    """The two routes, and those to what only a hive can say."""
    seeking, relay = Seeking(colony, lines), Relay()

    async def seek(request: Request) -> Response:
        asked = decode_json(await read_body(request, bytes_max=SEEK_BYTES_MAX), ModelSeek)
        own = _asker(request).hive_id
        if own is not None and own != asked.hive_id:
            raise Forbidden(f"The hive {own} may not ask for {asked.hive_id!r}.", param="$.hive_id")
        return answer(await seeking.seek(asked))

    async def file(request: Request) -> Response:
        digest: str = request.path_params["sha256"]
        if not is_digest(digest):
            raise InvalidRequest("A model file is named by 64 hex digits, its sha256.")
        ticket = request.headers.get(TICKET_HEADER)
        asker = _asker(request)
        if not asker.operator and (ticket is None or reader_in(ticket) != asker.hive_id):
            raise Forbidden("A hive reads a model file with a ticket of its own.")
        headers = {TICKET_HEADER: ticket} if ticket is not None else {}
        if (asked := request.headers.get("range")) is not None:
            headers["range"] = asked
        hive = colony.find_hive(request.path_params["hive_id"])
        line = lines.bulk(str(hive.id)) or lines.to(hive.url)
        return _Passed(relay, line, digest, headers)

    return [
        Route("/v1/hive/models/seek", seek, methods=["POST"]),
        Route("/v1/hives/{hive_id}/models/files/{sha256}", file, methods=["GET"]),
        *hive_door_routes(colony, lines),
    ]


class _Passed(Response):
    """An answer whose head and body come from a hive."""

    def __init__(
        self, relay: Relay, line: HiveClient, digest: str, headers: dict[str, str]
    ) -> None:
        super().__init__()
        self._relay = relay
        self._line = line
        self._digest = digest
        self._asked = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's
        async with self._relay.open(self._line, self._digest, self._asked) as found:
            head = [
                (name.encode(), value.encode("latin-1")) for name, value in found.headers.items()
            ]
            await send({"type": "http.response.start", "status": found.status, "headers": head})
            cut = await pass_body(found.body, receive, send, pace=self._relay.pace)
        if cut is not None:  # the reader goes on elsewhere
            _log.info("relayed file cut", sha256=self._digest, reason=type(cut).__name__)


def _asker(request: Request) -> Principal:
    found: Principal = request.scope.get(PRINCIPAL, LOCAL)
    return found
