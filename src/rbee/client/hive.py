"""A hive, as the queen and the keeper see it: job operations and a few questions."""

from typing import Final
from urllib.parse import urlencode

from rbee.client.room import RoomClient
from rbee.contracts.daemon import ShutdownAck, ShutdownRequest
from rbee.contracts.hives import Capabilities, EngineList
from rbee.contracts.models import Model, ModelSearch
from rbee.contracts.sharing import ModelTicket, TicketAsk
from rbee.errors import HiveUnreachable
from rbee.foundation.http.tls import HIVE

SEARCH_S: Final = 180.0  # headers of fifty repositories from a slow hub


class HiveClient(RoomClient):
    """One hive. Use as an async context manager, or call ``close``."""

    unreachable = HiveUnreachable
    expects = HIVE

    async def capabilities(self) -> Capabilities:
        """Its devices, memory and engines.

        Raises:
            RbeeError: as ``info``.
        """
        return await self.transport.ask("GET", "/v1/capabilities", Capabilities)

    async def search(self, words: str, *, limit: int, fit: bool) -> ModelSearch:
        """What the hub offers for ``words``; with ``fit`` a verdict on each file.

        Raises:
            RbeeError: as ``info``; HubError when the hub cannot be asked.
        """
        query = urlencode({"q": words, "limit": limit, "fit": int(fit)})
        return await self.transport.ask(
            "GET", f"/v1/models/search?{query}", ModelSearch, timeout_s=SEARCH_S
        )

    async def offer(self, name: str, *, timeout_s: float) -> Model:
        """What a name means at its source: size and header, nothing is fetched.

        Raises:
            RbeeError: as ``info``; ModelNotFound or HubError, as the source has it.
        """
        path = f"/v1/models/offer?{urlencode({'model': name})}"
        return await self.transport.ask("GET", path, Model, timeout_s=timeout_s)

    async def ticket(self, model_id: str, reader: str, *, timeout_s: float) -> ModelTicket:
        """Leave for the hive ``reader`` to read the file of one of its models.

        It reads the whole file first where it does not know its digest yet.

        Raises:
            ModelNotFound, CorruptModel: it has no such model, or a damaged one.
            RbeeError: as ``info``.
        """
        body = TicketAsk(model=model_id, reader=reader)
        return await self.transport.ask(
            "POST", "/v1/models/tickets", ModelTicket, body=body, timeout_s=timeout_s
        )

    async def engines(self) -> EngineList:
        """Its engines, and why one cannot be used.

        Raises:
            RbeeError: as ``info``.
        """
        return await self.transport.ask("GET", "/v1/engines", EngineList)

    async def probe_engines(self) -> EngineList:
        """Have it try all its engines anew; takes seconds.

        Raises:
            RbeeError: as ``info``.
        """
        return await self.transport.ask("POST", "/v1/engines/probe", EngineList)

    async def shutdown(self, *, keep_workers: bool = False) -> ShutdownAck:
        """Ask it to end; its workers end too unless they are to be kept.

        Raises:
            RbeeError: as ``info``.
        """
        return await self.transport.ask(
            "POST", "/v1/shutdown", ShutdownAck, body=ShutdownRequest(keep_workers=keep_workers)
        )
