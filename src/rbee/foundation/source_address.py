"""Which of this machine's addresses the system would use on the way to another one.

Asked of the kernel by connecting a UDP socket, which sends no packet. Machines have
bridges and tunnels whose addresses nobody else can use; this one others can.
"""

import ipaddress
import socket
from typing import Final

SOMEWHERE: Final = "192.0.2.1"
"""Stands for the default route: TEST-NET-1 (RFC 5737), which is nobody's."""

_ANY_PORT: Final = 9


def source_towards(host: str) -> str | None:
    """The source address for this way; None: there is none, or nobody knows the name (now).

    A name is looked up, so it may take the resolver's time.
    """
    try:
        found = socket.getaddrinfo(host, _ANY_PORT, type=socket.SOCK_DGRAM)
    except OSError:
        return None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as trial:
            try:
                trial.connect(address)
            except OSError:
                continue
            source = str(trial.getsockname()[0]).partition("%")[0]
            if not ipaddress.ip_address(source).is_unspecified:
                return source
    return None
