"""From which hive first: measured, not guessed.

The queen's list is a guess from addresses. Here each holder is asked for the head of
the file at once: who answers soonest is nearest, who does not answer cannot be seen
from here and is reached through the queen, and who is busy comes last. ``Dial`` is how
this hive speaks to the others: keys, and TLS where an address says https.
"""

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlsplit

import anyio
import httpx2
import msgspec

from rbee.client.queen import QueenClient
from rbee.contracts.sharing import FILES_PATH, TICKET_HEADER, ModelHolder
from rbee.foundation.addresses import is_loopback
from rbee.foundation.http.tls import HIVE, QUEEN

ANSWER_WITHIN_S: Final = 1.5  # of a head; across an ocean with TLS it takes under one
ASKED_MAX: Final = 8  # heads at once; more holders than these are no nearer


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the colony's servers. ``tls`` gives a context by who is expected there."""

    queen_url: str
    key: str | None
    tls: Callable[[str], ssl.SSLContext | None] = lambda _expects: None
    trusted: Sequence[str] = ()
    """Networks on which plain text is no secret told (``trusted_networks``)."""

    def queen(self) -> QueenClient:
        """A client of the queen."""
        return QueenClient(self.queen_url, key=self.key, tls=self.context(QUEEN, self.queen_url))

    def context(self, expects: str, url: str) -> ssl.SSLContext | None:
        """What to show at ``url``, and whom to expect; null for plain HTTP."""
        return self.tls(expects) if url.startswith("https:") else None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bytes can be read, and with what leave. ``way`` is for people."""

    hive_id: str
    url: str
    headers: dict[str, str]
    expects: str
    way: str = ""


async def in_order(dial: Dial, holders: Sequence[ModelHolder], digest: str) -> list[Place]:
    """The places to read the file from: the nearest that answer, then all through the queen."""
    found = [place for holder in holders for place in _direct(dial, holder, digest)]
    if len(found) > 1:
        found = await _by_distance(dial, found[:ASKED_MAX])
    return [*found, *(_relayed(dial, holder, digest) for holder in holders)]


async def _by_distance(dial: Dial, places: Sequence[Place]) -> list[Place]:
    taken_s: dict[str, float] = {}

    async def look(place: Place) -> None:
        began = anyio.current_time()
        try:
            verify = dial.context(place.expects, place.url) or False
            timeout = httpx2.Timeout(ANSWER_WITHIN_S)
            async with httpx2.AsyncClient(
                verify=verify, trust_env=False, timeout=timeout
            ) as client:
                answer = await client.head(place.url, headers=place.headers)
        except httpx2.HTTPError:
            return
        if answer.status_code == HTTPStatus.OK:
            taken_s[place.url] = anyio.current_time() - began

    with anyio.move_on_after(ANSWER_WITHIN_S):
        async with anyio.create_task_group() as looking:
            for place in places:
                looking.start_soon(look, place)
    seen = [place for place in places if place.url in taken_s]
    return sorted(seen, key=lambda place: taken_s[place.url])


def _direct(dial: Dial, holder: ModelHolder, digest: str) -> list[Place]:
    """Its own address: with TLS where that can be, plain where the network is trusted."""
    if holder.url is None:
        return []
    parts = urlsplit(holder.url)
    expects = HIVE + holder.hive_id
    return [
        Place(
            hive_id=holder.hive_id,
            url=f"{scheme}://{parts.netloc}{FILES_PATH}{digest}",
            headers={TICKET_HEADER: holder.ticket},
            expects=expects,
        )
        for scheme in _schemes(dial, parts.hostname or "", parts.scheme, expects)
    ]


def _schemes(dial: Dial, host: str, given: str, expects: str) -> list[str]:
    """How to speak there. A server of the colony takes both on one port, from whom it trusts."""
    if is_loopback(host):
        return [given]
    schemes = ["https"] if dial.tls(expects) is not None else []
    if given == "http" and (not schemes or _is_within(host, dial.trusted)):
        schemes.append("http")
    return schemes


def _is_within(host: str, networks: Sequence[str]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)


def _relayed(dial: Dial, holder: ModelHolder, digest: str) -> Place:
    known = {"authorization": f"Bearer {dial.key}"} if dial.key else {}
    return Place(
        hive_id=holder.hive_id,
        url=f"{dial.queen_url.rstrip('/')}/v1/hives/{quote(holder.hive_id, safe='')}/models/files/{digest}",
        headers={TICKET_HEADER: holder.ticket, **known},
        expects=QUEEN,
        way=" through the queen",
    )
