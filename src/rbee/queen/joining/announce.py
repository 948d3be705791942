"""The queen announces herself on her network (mDNS), so that hives find her without a name.

Only a queen that others can reach does. What she says is no secret: her address, her
version and her CA's fingerprint. ``client.discovery`` reads it. A network that takes
no multicast is no fault of hers: it is logged once and she goes on without.
"""

import ipaddress
import socket
from collections.abc import Awaitable, Iterable
from typing import Final, cast

import anyio

import rbee
from rbee.foundation import logs

SERVICE: Final = "_rbee._tcp.local."  # as in `client.discovery`
ADDRESSES_MAX: Final = 8  # a host of containers has dozens of bridges; the packet has 1,400 bytes

_ID_CHARS: Final = 8  # of the fingerprint, to tell the queens of one network apart

_log = logs.get(__name__)


async def announce(hosts: Iterable[str], port: int, fingerprint: str, first: str | None) -> None:
    """Say it until cancelled, then take it back. ``first`` is the likeliest of ``hosts``."""
    addresses = _addresses(hosts, first)
    if not addresses:
        return
    from zeroconf import Error, IPVersion  # noqa: PLC0415  50 ms, for queens on loopback too
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf  # noqa: PLC0415  as above

    info = AsyncServiceInfo(
        SERVICE,
        f"rbee-{fingerprint[:_ID_CHARS]}.{SERVICE}",
        addresses=[socket.inet_aton(address) for address in addresses],
        port=port,
        properties={"role": "queen", "ca": fingerprint, "version": rbee.__version__},
        server=f"{socket.gethostname().partition('.')[0]}.local.",
    )
    try:
        zeroconf = AsyncZeroconf(ip_version=IPVersion.V4Only)
    except OSError as error:
        _log.warning("not announced", reason=str(error))
        return
    try:
        # Two steps, as the library has it: begun, and told to the network.
        told = zeroconf.async_register_service(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            info, allow_name_change=True
        )
        await cast("Awaitable[None]", await told)
        _log.info("announced", addresses=addresses, port=port)
        await anyio.sleep_forever()
    except (OSError, Error) as error:
        _log.warning("not announced", reason=str(error) or type(error).__name__)
    finally:
        with anyio.CancelScope(shield=True):
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()


def _addresses(hosts: Iterable[str], first: str | None) -> list[str]:
    """The IPv4 addresses that others may use, the likeliest first."""
    found: list[str] = []
    for host in hosts:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            continue
        if address.version == 4 and not (address.is_loopback or address.is_unspecified):  # noqa: PLR2004  IPv4
            found.append(host)
    return sorted(found, key=lambda host: (host != first, host))[:ADDRESSES_MAX]
