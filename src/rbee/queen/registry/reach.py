"""How the registry asks whether a worker on another machine can be reached, and how.

The registry knows no sockets: ``queen.routes`` answers. A route is a word here, shown to
people as it is.
"""

from typing import Final, Literal, Protocol

from rbee.foundation.addresses import is_loopback
from rbee.queen.registry.hives import HiveEntry
from rbee.queen.registry.workers import WorkerEntry

RouteName = Literal["local", "direct", "plain", "tunnel"]
"""``local``: this machine's own loopback. ``direct``: TLS that ends in the worker. ``plain``: the
same port without TLS, on a network declared trusted. ``tunnel``: through its hive's link."""

LOCAL: Final[RouteName] = "local"


class Reach(Protocol):
    """The ways to workers on other machines."""

    def route(self, hive: HiveEntry, worker: WorkerEntry) -> RouteName | None:
        """The way that a request would go now; None: there is none. Asked with every beat."""
        ...

    def blames_way(self, hive: HiveEntry, worker: WorkerEntry) -> bool:
        """A connection to this worker failed: whether that says more of the way than of it.

        The way is given up then; another one may be left.
        """
        ...


class AddressesAlone:
    """No links and no probes: an address that is not loopback counts as reachable."""

    def route(self, hive: HiveEntry, worker: WorkerEntry) -> RouteName | None:
        """By the worker's own address."""
        del hive
        return None if is_loopback(worker.stats.address.lower()) else "plain"

    def blames_way(self, hive: HiveEntry, worker: WorkerEntry) -> bool:
        """Never."""
        del hive, worker
        return False
