"""The wire from the queen to her hives: HTTP without a network, and with all its faults.

A request may be lost before it arrives (a timeout, nothing done), after it was carried
out (a timeout, and all of it done), arrive twice, meet a daemon that is down, or die
with one in the middle of an answer.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import httpx2

from rbee.client.transport import ANSWER_S, CONNECT_S
from rbee.contracts.jobs import WorkerSpawn, decode_operation
from rbee.testing.simulation.hives import Hive
from rbee.testing.simulation.world import World

SpawnSeen = Callable[[Hive, WorkerSpawn], None]

_JOBS: Final = "/v1/jobs"


class Commands(httpx2.AsyncBaseTransport):
    """Reaches every hive by its address."""

    def __init__(self, world: World, hives: Mapping[str, Hive], on_spawn: SpawnSeen) -> None:
        self._world = world
        self._hives = hives
        self._on_spawn = on_spawn

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Carry one request to its hive, and what came of it back.

        Raises:
            httpx2.TransportError: as a network would.
        """
        world = self._world
        hive = self._hives[request.url.host]
        body = await request.aread()
        if request.method == "POST" and request.url.path == _JOBS:
            operation = decode_operation(body)
            if isinstance(operation, WorkerSpawn):
                self._on_spawn(hive, operation)
        if hive.path.loses(world.now):
            hive.blemished_at = world.now
            await asyncio.sleep(CONNECT_S)
            raise httpx2.ConnectTimeout("simulated: lost on its way", request=request)
        await self._way(hive)
        if request.method == "POST" and world.dice.random() < world.scenario.doubled:
            await self._carried_out(hive, request)
        response = await self._carried_out(hive, request)
        if hive.path.loses(world.now):
            hive.blemished_at = world.now
            await asyncio.sleep(ANSWER_S)
            raise httpx2.ReadTimeout("simulated: the answer was lost", request=request)
        await self._way(hive)
        return response

    async def _way(self, hive: Hive) -> None:
        now = self._world.now
        await asyncio.sleep(max(0.0, hive.path.arrival(now) - now))

    async def _carried_out(self, hive: Hive, request: httpx2.Request) -> httpx2.Response:
        app = hive.app
        if app is None:
            raise httpx2.ConnectError("simulated: nobody listens", request=request)
        work = asyncio.create_task(app.handle_async_request(request))
        down = asyncio.create_task(hive.gone_down())
        try:
            await asyncio.wait({work, down}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise httpx2.ReadError("simulated: the daemon died", request=request)
            return work.result()
        finally:
            for task in (work, down):
                task.cancel()
            await asyncio.gather(work, down, return_exceptions=True)
