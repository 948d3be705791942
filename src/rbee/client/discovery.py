"""Queens of this network, by mDNS (``_rbee._tcp.local.``): who is found is not yet trusted.

An announcement says where a queen is and which CA is hers. Anybody on the network may say
so; the CA's fingerprint is in the code that people compare before a hive is let in.
zeroconf is loaded when somebody looks.
"""

from typing import TYPE_CHECKING, Final

import anyio
import msgspec

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

SERVICE: Final = "_rbee._tcp.local."
RESOLVE_MS: Final = 1500  # of one announcement: it came with its records as a rule
FOUND_MAX: Final = 16  # a network with more is being flooded

_FINGERPRINT_CHARS: Final = 64


class FoundQueen(msgspec.Struct, frozen=True, kw_only=True):
    """A queen that announces herself. ``url`` has an address, never a name."""

    url: str
    host: str
    ca_fingerprint: str
    version: str


async def find_queens(look_s: float) -> list[FoundQueen]:
    """Listen for ``look_s`` seconds; the queens in order of their URLs. None where mDNS fails."""
    from zeroconf import IPVersion, ServiceStateChange, Zeroconf  # noqa: PLC0415  30 ms to load
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf  # noqa: PLC0415  as above

    names: set[str] = set()

    def changed(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        del zeroconf, service_type
        if state_change is not ServiceStateChange.Removed and len(names) < FOUND_MAX:
            names.add(name)

    try:
        zeroconf = AsyncZeroconf(ip_version=IPVersion.V4Only)
    except OSError:  # no network, or no multicast on it
        return []
    try:
        browser = AsyncServiceBrowser(zeroconf.zeroconf, [SERVICE], handlers=[changed])
        await anyio.sleep(look_s)
        await browser.async_cancel()
        found = [await _resolved(zeroconf, name) for name in sorted(names)]
    finally:
        await zeroconf.async_close()
    return sorted({q.url: q for q in found if q is not None}.values(), key=lambda q: q.url)


async def _resolved(zeroconf: "AsyncZeroconf", name: str) -> FoundQueen | None:
    from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415  loaded by now

    info = AsyncServiceInfo(SERVICE, name)
    if not await info.async_request(zeroconf.zeroconf, RESOLVE_MS):
        return None
    return _queen_in(info)


def _queen_in(info: "AsyncServiceInfo") -> FoundQueen | None:
    """What an announcement says; None when it is not one of ours."""
    words = {
        key.decode("utf-8", "replace"): (value or b"").decode("utf-8", "replace")
        for key, value in info.properties.items()
    }
    fingerprint = words.get("ca", "")
    addresses = info.parsed_addresses()
    if (
        words.get("role") != "queen"
        or len(fingerprint) != _FINGERPRINT_CHARS
        or not set(fingerprint) <= set("0123456789abcdef")
        or not addresses
        or not info.port
    ):
        return None
    return FoundQueen(
        url=f"https://{addresses[0]}:{info.port}",
        host=(info.server or "").rstrip("."),
        ca_fingerprint=fingerprint,
        version=words.get("version", ""),
    )
