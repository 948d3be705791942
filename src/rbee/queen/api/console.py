"""The console at the queen's ``/``: in front of her gate, framed by her own machine's hives only."""

from functools import partial
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from rbee.console.door import ConsoleDoor
from rbee.console.site import Site
from rbee.foundation.addresses import is_loopback
from rbee.foundation.daemon import Daemon
from rbee.foundation.http.gate import Policy, is_known_host
from rbee.queen.registry.colony import Colony

_WEB: Final = ("http", "https")


def with_console(gated: ASGIApp, policy: Policy, daemon: Daemon, colony: Colony) -> ASGIApp:
    """The console's files here, everything else behind the gate."""
    return ConsoleDoor(
        gated,
        Site("queen"),
        knows=partial(is_known_host, policy),
        base_url=lambda: daemon.base_url,
        ancestors=lambda _scheme, host: _hives_at(colony, host),
    )


def _hives_at(colony: Colony, host: str) -> list[str]:
    """The origins of hives that a browser reaches by the host name that it has for the queen."""
    ports: set[int] = set()
    for hive in colony.hives():
        place = urlsplit(hive.url)
        name = place.hostname or ""
        if place.port is not None and (name == host or is_loopback(name)):
            ports.add(place.port)
    return [f"{kind}://{host}:{port}" for port in sorted(ports) for kind in _WEB]
