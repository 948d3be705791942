"""The queen's lines to her hives: one client, and its pool of connections, per address.

Only the control plane speaks here (the reconciler and passed-on operations); an
inference request never comes this way.
"""

import httpx2

from rbee.client.hive import HiveClient


class HiveLines:
    """Clients by URL, opened when first needed. ``http`` swaps the wire for tests."""

    def __init__(self, *, key: str | None, http: httpx2.AsyncBaseTransport | None = None) -> None:
        self._key = key
        self._http = http
        self._clients: dict[str, HiveClient] = {}

    def to(self, url: str) -> HiveClient:
        """The client of the hive at ``url``."""
        client = self._clients.get(url)
        if client is None:
            client = self._clients[url] = HiveClient(url, key=self._key, http=self._http)
        return client

    async def close(self) -> None:
        """Close all connections."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()
