"""A worker's own page at the hive: ``/workers/ID/ui/``, with the worker's secret added here.

The browser never has that secret, and the engine never sees a cookie or a key of the browser's.
Only engines that say so have a page (``own_page``); for others there is an error that says it.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from rbee.contracts.ids import WorkerId
from rbee.errors import EngineError, NotFound
from rbee.foundation.http.own_pages import Asked, Framing
from rbee.hive.workers.roster import Roster

CONNECT_S: Final = 3.0  # it is this machine
SILENCE_S: Final = 120.0  # a long prompt is read in silence where an engine sends no pings
CONNECTIONS_MAX: Final = 32  # people who look at pages of workers at once, six files each


class WorkerPages:
    """The way from a browser's request to the worker's port.

    ``framing`` gives the origins whose pages may frame these and the hive's own.
    """

    def __init__(self, roster: Roster, framing: Framing) -> None:
        self._roster = roster
        self.framing = framing
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(SILENCE_S, connect=CONNECT_S),
            limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
            trust_env=False,
        )

    @asynccontextmanager
    async def open(self, asked: Asked) -> AsyncGenerator[httpx2.Response]:
        """Ask the worker.

        Raises:
            WorkerNotFound: there is no such worker here.
            NotFound: its engine has no page.
            EngineError: it does not answer.
        """
        worker = self._roster.get(WorkerId(asked.worker_id))
        spec = worker.state.spec
        if not worker.engine.own_page:
            raise NotFound(
                f"The engine {spec.engine} of this worker has no page of its own.",
                remedy=f"Use the console's chat with {spec.model}, or the API of the queen.",
            )
        if worker.running is None:
            raise EngineError(
                f"The worker is {worker.state.status}: its page is there when it is ready.",
                remedy="Wait, or start it again; its log says more.",
            )
        request = self._http.build_request(
            asked.method,
            f"http://{worker.state.host}:{worker.state.port}{asked.target}",
            headers={**asked.headers, "authorization": f"Bearer {worker.key}"},
            content=asked.body or None,
        )
        try:
            answer = await self._http.send(request, stream=True)
        except httpx2.HTTPError as error:
            raise EngineError(
                f"The worker does not answer: {type(error).__name__}.",
                remedy="Its log says what it does; a restart may help.",
            ) from None
        try:
            yield answer
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
