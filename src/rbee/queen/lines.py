"""The queen's lines to her hives: over a hive's link where it has one, else by its address.

Only the control plane speaks here (the reconciler and passed-on operations); an
inference request never comes this way. ``app`` says how a link is spoken over (``over``),
so that this module knows none.
"""

import ssl
from collections.abc import Callable
from typing import Literal

import httpx2

from rbee.client.hive import HiveClient
from rbee.contracts.ids import is_hive_id

Lane = Literal["main", "bulk"]

Over = Callable[[str, Lane], httpx2.AsyncBaseTransport | None]
"""From a hive's id to HTTP over its link; None while it has no link."""


def _no_links(_hive_id: str, _lane: Lane) -> None:
    return None


class HiveLines:
    """Clients, opened when first needed. ``http`` swaps the wire for tests.

    ``epoch`` is the queen's, for whoever makes a command; null sends none. ``tls`` gives
    what she shows to a hive at an https address, and whom she expects there.
    """

    def __init__(
        self,
        *,
        key: str | None,
        http: httpx2.AsyncBaseTransport | None = None,
        over: Over = _no_links,
        epoch: int | None = None,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
    ) -> None:
        self.epoch = epoch
        self._key = key
        self._http = http
        self._over = over
        self._tls = tls
        self._clients: dict[str, HiveClient] = {}
        self._linked: dict[tuple[str, Lane], HiveClient] = {}

    def to(self, url: str, hive_id: str | None = None) -> HiveClient:
        """The client of a hive: over the link of ``hive_id`` if it has one, else at ``url``."""
        if hive_id is not None:
            client = self._over_link(hive_id, "main")
            if client is not None:
                return client
        client = self._clients.get(url)
        if client is None:
            context = self._tls() if url.startswith("https:") else None
            client = HiveClient(url, key=self._key, http=self._http, tls=context)
            self._clients[url] = client
        return client

    def bulk(self, hive_id: str) -> HiveClient | None:
        """The client over a hive's bulk link, for model bytes; None where it has no link."""
        return self._over_link(hive_id, "bulk")

    def _over_link(self, hive_id: str, lane: Lane) -> HiveClient | None:
        http = self._over(hive_id, lane)
        if http is None:
            return None
        client = self._linked.get((hive_id, lane))
        if client is None:
            # The name is for messages: bytes go over the link, whatever it says.
            host = hive_id if is_hive_id(hive_id) else "hive"
            client = HiveClient(f"http://{host}.link", key=self._key, http=http)
            self._linked[hive_id, lane] = client
        return client

    async def close(self) -> None:
        """Close all connections."""
        clients = [*self._clients.values(), *self._linked.values()]
        self._clients, self._linked = {}, {}
        for client in clients:
            await client.close()
