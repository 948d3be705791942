"""Looking after hives from the console: stop one, forget one, and whether SSH is on.

Operators only (``api.access``). What is asked of a hive itself goes over her line to it;
what she merely knows of it is the office's and the registry's.
"""

from typing import Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee.contracts.daemon import ShutdownRequest
from rbee.contracts.decode import decode_json
from rbee.contracts.ids import HiveId
from rbee.contracts.joining import MemberAck
from rbee.contracts.principals import LOCAL, Principal
from rbee.errors import Conflict, HiveNotFound
from rbee.foundation.http.answers import answer
from rbee.foundation.http.body import read_body
from rbee.foundation.http.gate import PRINCIPAL
from rbee.queen.installing import HiveInstalls
from rbee.queen.joining.office import Office
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony

_BYTES_MAX: Final = 4096  # one flag


def hive_care_routes(
    office: Office, colony: Colony, lines: HiveLines, installs: HiveInstalls
) -> list[Route]:
    """``/v1/hive-install``, and of one hive its ``stop`` and its DELETE."""

    async def install_state(_request: Request) -> Response:
        return answer(await anyio.to_thread.run_sync(installs.state))

    async def stop(request: Request) -> Response:
        body = await read_body(request, bytes_max=_BYTES_MAX)
        wish = decode_json(body, ShutdownRequest) if body.strip() else ShutdownRequest()
        hive = colony.find_hive(str(request.path_params["hive_id"]))
        line = lines.to(hive.url, str(hive.id))
        return answer(await line.shutdown(keep_workers=wish.keep_workers))

    async def forget(request: Request) -> Response:
        principal: Principal = request.scope.get(PRINCIPAL, LOCAL)
        hive_id = str(request.path_params["hive_id"])
        await _forget(office, colony, hive_id, principal.name)
        message = "Its name is free again; it joins anew like any machine."
        return answer(MemberAck(status="forgotten", id=hive_id, message=message))

    return [
        Route("/v1/hive-install", install_state, methods=["GET"]),
        Route("/v1/hives/{hive_id}/stop", stop, methods=["POST"]),
        Route("/v1/hives/{hive_id}", forget, methods=["DELETE"]),
    ]


async def _forget(office: Office, colony: Colony, hive_id: str, by: str) -> None:
    """Strike a hive that is gone from the books and the registry.

    Raises:
        Conflict: it still beats.
        HiveNotFound: nobody knows it.
        StorageError: the books cannot be written.
    """
    seen = next((hive for hive in colony.hives() if hive.id == hive_id), None)
    if seen is not None and seen.state != "down":
        raise Conflict(
            f"The hive {hive_id} is in the colony and answers.",
            remedy="Stop it first, or revoke it: then it can be forgotten.",
        )
    known = await office.forget(hive_id, by)
    if seen is not None:
        colony.forget(HiveId(hive_id))
    elif not known:
        raise HiveNotFound(f"No hive {hive_id[:64]!r} is known here.")
