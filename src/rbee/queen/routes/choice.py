"""Which way to a worker on another machine, and when to try for a better one. Pure.

The rule: a way is used only after it has worked. A worker begins on its hive's tunnel,
which is there because the hive opened it. The queen then tries the direct way herself,
with a nonce that only this very worker process can answer; once that has succeeded,
requests go direct. The first failure takes them back to the tunnel, and the direct way is
tried again later, ever more seldom while it keeps failing.
"""

import functools
import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from rbee.foundation.addresses import Network
from rbee.queen.registry.reach import RouteName

RETRY_FIRST_S: Final = 2.0  # a worker that has just started, a network that flaps
RETRY_MAX_S: Final = 60.0  # behind NAT it never works; a firewall may be opened any day
JITTER: Final = 0.2  # so that a rack's workers are not all tried in the same moment
_ADDRESSES_KEPT: Final = 4096  # a beat names its hive's address anew each second
ADDRESSES_MAX: Final = 2  # what the hive says, and where its link comes from


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process and its port for connections from elsewhere. Another one is tried anew.

    ``secret`` is the worker's own; it stays in the queen.
    """

    hive_id: str
    worker_id: str
    generation: int
    port: int
    secret: str

    def __repr__(self) -> str:
        """Without the secret: this is what a log would print."""
        return f"<port {self.port} of {self.worker_id}, process {self.generation}>"


class Direct(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the direct way to one place; times are of one monotonic clock.

    ``addresses`` are tried in their order; ``address`` is the one that worked, null until
    one did. ``why`` is the last failure.
    """

    place: Place
    addresses: tuple[str, ...] = ()
    address: str | None = None
    plain: bool = False
    failures: int = 0
    try_at: float = 0.0
    why: str | None = None


def route(*, direct: Direct | None, linked: bool) -> RouteName | None:
    """The way that a request goes now; None: there is none."""
    if direct is not None and direct.address is not None:
        return "plain" if direct.plain else "direct"
    return "tunnel" if linked else None


def candidates(advertised: str | None, seen: str | None) -> tuple[str, ...]:
    """The addresses to try, best first: what the hive says, then where its link came from.

    ``advertised`` may be a name. A loopback address of another machine is none for us.
    """
    found: list[str] = []
    for address in (advertised, seen):
        if address and address not in found and not _means_nothing(address):
            found.append(address)
    return tuple(found[:ADDRESSES_MAX])


def seen(known: Direct | None, place: Place, addresses: tuple[str, ...], now: float) -> Direct:
    """The worker was reported: what is known of this process goes on, else it begins anew.

    An address that worked is kept whatever is said later: a hive that is gone says
    nothing, and the way to its worker is as good as before. New addresses are tried at once.
    """
    if known is None or known.place != place:
        return Direct(place=place, addresses=addresses, try_at=now)
    if known.address is not None or known.addresses == addresses or not addresses:
        return known
    return Direct(place=place, addresses=addresses, try_at=now)


def succeeded(known: Direct, address: str, *, plain: bool) -> Direct:
    """A probe proved that this very worker answers there."""
    return msgspec.structs.replace(
        known, address=address, plain=plain, failures=0, try_at=0.0, why=None
    )


def failed(known: Direct, why: str, now: float, spread: float) -> Direct:
    """A probe, or a request's connection, failed. ``spread`` is random, from 0 to 1."""
    failures = known.failures + 1
    pause_s = min(RETRY_MAX_S, RETRY_FIRST_S * 2.0 ** min(failures - 1, 16))
    pause_s *= 1 + JITTER * (2 * spread - 1)
    return msgspec.structs.replace(
        known, address=None, failures=failures, try_at=now + pause_s, why=why
    )


def due(known: Iterable[Direct], now: float, room: int) -> list[Direct]:
    """Who shall be tried now: the longest due first, at most ``room`` of them."""
    waiting = [one for one in known if one.address is None and one.try_at <= now]
    waiting.sort(key=lambda one: one.try_at)
    return waiting[:room]


def attempts(
    addresses: Sequence[str], trusted: Sequence[Network], *, has_certificate: bool
) -> list[tuple[str, bool]]:
    """What a probe tries, in this order: (address, without TLS).

    Plain first where it is allowed, for it costs less; the worker may want TLS all the same.
    """
    found: list[tuple[str, bool]] = []
    for address in addresses:
        if goes_plain(address, trusted):
            found.append((address, True))
        if has_certificate:
            found.append((address, False))
    return found


def goes_plain(address: str, trusted: Sequence[Network]) -> bool:
    """Whether the operator declared the network of this address one that encrypts by itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a name says nothing about the way
        return False
    return any(parsed in network for network in trusted)


@functools.lru_cache(_ADDRESSES_KEPT)
def _means_nothing(address: str) -> bool:
    """Loopback and wildcards name another machine wherever they are read."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address.lower() == "localhost"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback or parsed.is_unspecified or parsed.is_multicast
