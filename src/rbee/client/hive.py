"""A hive, as the queen and the keeper see it: job operations and a few questions."""

from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode

import httpx2

from rbee.client.jobs import JobClient
from rbee.client.transport import Transport
from rbee.contracts.daemon import Health, ServiceInfo, ShutdownAck, ShutdownRequest
from rbee.contracts.hives import Capabilities, EngineList
from rbee.contracts.models import ModelSearch
from rbee.errors import HiveUnreachable

SEARCH_S: Final = 180.0  # headers of fifty repositories from a slow hub


class HiveClient:
    """One hive. Use as an async context manager, or call ``close``."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        http: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.transport = Transport(base_url, unreachable=HiveUnreachable, key=key, http=http)
        self.jobs = JobClient(self.transport)

    async def __aenter__(self) -> Self:
        """Give back itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.transport.close()

    async def health(self) -> Health:
        """Whether it answers.

        Raises:
            HiveUnreachable: it does not.
        """
        return await self.transport.ask("GET", "/health", Health)

    async def info(self) -> ServiceInfo:
        """Who it is.

        Raises:
            RbeeError: it refused, or does not answer.
        """
        return await self.transport.ask("GET", "/v1/info", ServiceInfo)

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
