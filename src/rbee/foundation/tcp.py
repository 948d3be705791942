"""How fast a TCP connection between machines goes on after its network was away.

The kernel doubles the pause between two tries: after 20 s without a network it may be
silent for 20 s more, though all is well again. Where it can be told (Linux 6.15), pauses
stay at a second. Trying more often, it would also give up sooner; so that is set too.
"""

import contextlib
import socket
import sys
from typing import Final

PAUSE_MS_MAX: Final = 1_000  # answers go on within a second or two of the network's return

_RTO_MAX_MS: Final = 44  # linux/tcp.h: TCP_RTO_MAX_MS, which Python has no name for


def retry_soon(sock: socket.socket, *, give_up_s: int) -> None:
    """Let unacknowledged bytes be sent again each second, for ``give_up_s`` in all.

    Does nothing where the system has no such option, or the socket is none of TCP.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, _RTO_MAX_MS, PAUSE_MS_MAX)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, give_up_s * 1000)
