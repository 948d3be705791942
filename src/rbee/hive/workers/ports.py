"""Ports of workers: the lowest free one from the first on, reused when released.

The owner is the supervisor's run loop. Whether a port is free is found by binding
it, for other programs have ports too; between the test and the worker's own bind
somebody may take it, which the worker then says with its exit status.
"""

import socket
import sys
from collections.abc import Callable, Collection

from rbee.errors import NoCapacity

SEARCH_LENGTH_MAX = 4_000  # far more than workers fit on a machine; ends the search
_PORT_MAX = 65_535  # a port is 16 bits


def can_bind(port: int, host: str = "127.0.0.1") -> bool:
    """Whether ``host:port`` can be listened on now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        if sys.platform == "win32":
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
            trial.listen(1)
        except OSError:
            return False
    return True


def can_bind_both(port: int, outside: str) -> bool:
    """Whether a port is free on loopback and on the address where other machines come."""
    return can_bind(port) and can_bind(port, outside)


def choose(
    first: int,
    taken: Collection[int],
    *,
    preferred: int | None = None,
    is_free: Callable[[int], bool] = can_bind,
) -> int:
    """The preferred port when it is free, else the lowest free one from ``first`` on.

    ``taken`` are ports of workers that exist, whether or not they listen yet.

    Raises:
        NoCapacity: no port is free in the searched range.
    """
    if preferred is not None and preferred not in taken and is_free(preferred):
        return preferred
    last = min(first + SEARCH_LENGTH_MAX, _PORT_MAX)
    for port in range(first, last + 1):
        if port not in taken and is_free(port):
            return port
    raise NoCapacity(
        f"No port from {first} to {last} is free for a worker.",
        remedy="Stop some workers, or set `first_worker_port` for the hive.",
    )
