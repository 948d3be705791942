"""The queen, as hives and the keeper see her: joining, beats, jobs, chat."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import msgspec

from rbee.client.room import RoomClient
from rbee.client.transport import error_from
from rbee.contracts.daemon import ShutdownAck, ShutdownRequest
from rbee.contracts.hives import Heartbeat, HeartbeatAck, HiveReady, HiveReadyAck
from rbee.contracts.jobs import DONE, JobCancelled
from rbee.contracts.openai import ModelObject, ModelObjects
from rbee.contracts.plan import Plan
from rbee.contracts.sharing import ModelSeek, ModelSources
from rbee.contracts.state import RequestList, RequestRow
from rbee.contracts.why import Why
from rbee.errors import QueenUnreachable, RemoteError
from rbee.foundation.http.tls import QUEEN
from rbee.foundation.sse import EventReader

_BEAT_S = 3.0  # a beat that takes longer is older than the next three
_SEEK_S = 10.0  # she asks hives for tickets meanwhile, each for 3 s at most, a few at once


class QueenClient(RoomClient):
    """The queen. Use as an async context manager, or call ``close``."""

    unreachable = QueenUnreachable
    expects = QUEEN

    async def models(self) -> list[ModelObject]:
        """The models of the colony, as the OpenAI door lists them.

        Raises:
            RbeeError: as ``info``.
        """
        return (await self.transport.ask("GET", "/v1/models", ModelObjects)).data

    async def why(self, job_id: str) -> Why:
        """Why a request went where it went.

        Raises:
            JobNotFound: never routed there, or too long ago.
            RbeeError: as ``info``.
        """
        path = f"/v1/jobs/{quote(job_id, safe='')}/why"
        return await self.transport.ask("GET", path, Why)

    async def requests(self) -> list[RequestRow]:
        """The requests that wait or run and the last that ended, newest first.

        Raises:
            RbeeError: as ``info``.
        """
        return (await self.transport.ask("GET", "/v1/requests", RequestList)).requests

    async def cancel_request(self, request_id: str) -> JobCancelled:
        """Cancel anybody's request, by its id; whoever asked is told that an operator did it.

        Raises:
            JobNotFound: it is over, or never was.
            RbeeError: as ``info``.
        """
        path = f"/v1/requests/{quote(request_id, safe='')}"
        return await self.transport.ask("DELETE", path, JobCancelled)

    async def plan(self, model: str, *, hive_id: str | None = None) -> Plan:
        """What a request for ``model`` would lead to; nothing is done.

        Raises:
            ModelNotFound: nobody has it and no source is known for it.
            HiveNotFound: no hive of this id has joined.
            RbeeError: as ``info``.
        """
        wish = {} if hive_id is None else {"hive_id": hive_id}
        query = urlencode({"model": model, **wish})
        return await self.transport.ask("GET", f"/v1/plan?{query}", Plan)

    async def ready(self, message: HiveReady) -> HiveReadyAck:
        """Join as a hive.

        Raises:
            RbeeError: as ``info``.
        """
        return await self.transport.ask("POST", "/v1/hive/ready", HiveReadyAck, body=message)

    async def beat(self, heartbeat: Heartbeat) -> HeartbeatAck:
        """Send a beat.

        Raises:
            HiveNotFound: she does not know this hive (any more): join again.
            RbeeError: as ``info``.
        """
        return await self.transport.ask(
            "POST", "/v1/hive-heartbeat", HeartbeatAck, body=heartbeat, timeout_s=_BEAT_S
        )

    async def seek(self, asked: ModelSeek) -> ModelSources:
        """Who in the colony has a model, or who fetches it.

        Raises:
            RbeeError: as ``info``.
        """
        path = "/v1/hive/models/seek"
        return await self.transport.ask("POST", path, ModelSources, body=asked, timeout_s=_SEEK_S)

    async def shutdown(self) -> ShutdownAck:
        """Ask her to end; running streams get a few seconds.

        Raises:
            RbeeError: as ``info``.
        """
        return await self.transport.ask("POST", "/v1/shutdown", ShutdownAck, body=ShutdownRequest())

    async def chat(self, request: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Stream ``/v1/chat/completions``: OpenAI's chunks as dicts, until ``[DONE]``.

        ``request`` is OpenAI's body; ``stream`` is set here. Leaving early cancels
        the request: wrap it in ``contextlib.aclosing`` if you may leave.

        Raises:
            RbeeError: before the first chunk or in between, as the queen sent it.
        """
        body = msgspec.json.encode({**request, "stream": True})
        reader = EventReader()
        try:
            async with self.transport.stream("POST", "/v1/chat/completions", body=body) as response:
                async for chunk in response.aiter_raw():
                    for event in reader.feed(chunk):
                        if event.data == DONE:
                            return
                        yield _chunk(event.data)
        except httpx2.HTTPError as error:
            raise self.transport.failure(error) from None
        raise RemoteError("The answer ended in the middle.")


def _chunk(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise RemoteError(f"The answer holds something that is no chunk: {error}.") from None
    if found.get("error"):
        raise error_from(RemoteError.status, text.encode(), {})
    return found
