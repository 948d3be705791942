"""``/v1/settings``: a room's settings over HTTP, for its operators alone."""

from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee.contracts.decode import decode_json
from rbee.contracts.principals import LOCAL, Principal
from rbee.contracts.settings import SettingsChange
from rbee.foundation import logs
from rbee.foundation.http.answers import answer
from rbee.foundation.http.body import read_body
from rbee.foundation.http.gate import PRINCIPAL
from rbee.foundation.settings_book import SettingsBook

SETTINGS_PATH: Final = "/v1/settings"

_BYTES_MAX: Final = 256 * 1024  # all settings together are a few KiB

_log = logs.get(__name__)


def settings_routes(book: SettingsBook[Any], *, changing: bool = True) -> list[Route]:
    """``GET`` and, if they may be changed here, ``PATCH /v1/settings``."""
    one_by_one = anyio.Lock()  # two changes at once: the second one sees the first one's file

    async def look(_request: Request) -> Response:
        return answer(await anyio.to_thread.run_sync(book.state))

    async def change(request: Request) -> Response:
        wish = decode_json(await read_body(request, bytes_max=_BYTES_MAX), SettingsChange)
        async with one_by_one:
            book.adopt(await anyio.to_thread.run_sync(partial(book.write, wish)))
            state = await anyio.to_thread.run_sync(book.state)
        who: Principal = request.scope.get(PRINCIPAL, LOCAL)
        named = sorted({*wish.set, *wish.unset})
        _log.info("settings changed", names=named, restart=state.restart, by=who.id)
        return answer(book.told(wish, state))

    routes = [Route(SETTINGS_PATH, look, methods=["GET"])]
    if changing:
        routes.append(Route(SETTINGS_PATH, change, methods=["PATCH"]))
    return routes
