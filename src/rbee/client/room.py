"""What every daemon answers, queen and hive alike: its health, who it is, its jobs."""

import ssl
from types import TracebackType
from typing import ClassVar, Self

import httpx2

from rbee.client.jobs import JobClient
from rbee.client.transport import Transport
from rbee.contracts.daemon import Health, ServiceInfo
from rbee.errors import RemoteError
from rbee.foundation.http.tls import ANYONE


class RoomClient:
    """One daemon. Use as an async context manager, or call ``close``."""

    unreachable: ClassVar[type[RemoteError]] = RemoteError
    """The error for nobody answering; each room has its own, with its remedy."""

    expects: ClassVar[str] = ANYONE
    """What its certificate must say it is, where it speaks TLS (``foundation.http.tls``)."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        http: httpx2.AsyncBaseTransport | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``tls`` instead of what this user trusts; a daemon shows its certificate with it.

        Raises:
            BadSettings: ``RBEE_CA_FILE`` cannot be used.
        """
        self.transport = Transport(
            base_url,
            unreachable=self.unreachable,
            key=key,
            http=http,
            expects=self.expects,
            tls=tls,
        )
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
            RemoteError: it does not (``unreachable``).
        """
        return await self.transport.ask("GET", "/health", Health)

    async def info(self) -> ServiceInfo:
        """Who it is.

        Raises:
            RbeeError: it refused, or does not answer.
        """
        return await self.transport.ask("GET", "/v1/info", ServiceInfo)
