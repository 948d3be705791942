"""What the address of a connection's other end says, read in one way everywhere. Pure."""

import functools
import ipaddress
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_KEPT: Final = 4096  # a beat names its workers' addresses anew each second


def peer_address(text: str) -> Address | None:
    """The address of a socket's other end, as the kernel words it; None for anything else.

    The zone of a link-local one is left out, and IPv4 that came in over an IPv6 socket is IPv4.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:  # a server of tests, or a Unix socket
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@functools.lru_cache(_KEPT)
def is_loopback(address: str) -> bool:
    """Whether only this machine can reach ``address``."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
