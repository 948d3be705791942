"""The pages that the queen shows: her console, and workers' own beside it.

The console stands in front of her gate, since its files are open; workers' pages stand behind.
"""

from functools import partial
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from rbee.console.door import ConsoleDoor
from rbee.console.site import Site
from rbee.foundation.addresses import is_loopback
from rbee.foundation.daemon import Daemon
from rbee.foundation.http.gate import Policy, is_known_host
from rbee.foundation.http.own_pages import OwnPages
from rbee.queen.api.worker_pages import PagesDoor, WorkerPages
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony

_WEB: Final = ("http", "https")


def with_console(gated: ASGIApp, policy: Policy, daemon: Daemon, colony: Colony) -> ASGIApp:
    """The console's files here, everything else behind the gate; workers' pages apart."""

    def framing(scheme: str, host: str) -> list[str]:
        # Named although it is 'self' too: on the port of workers' pages it is not.
        return [f"{scheme}://{host}:{daemon.port}", *_hives_at(colony, host)]

    console = ConsoleDoor(
        gated,
        Site("queen"),
        knows=partial(is_known_host, policy),
        base_url=lambda: daemon.base_url,
        ancestors=framing,
    )
    return PagesDoor(console, daemon)


def with_worker_pages(app: ASGIApp, daemon: Daemon, colony: Colony, lines: HiveLines) -> ASGIApp:
    """Behind the gate: workers' own pages, framed by her console and by hives' pages."""

    def framing(scheme: str, host: str) -> list[str]:
        return [f"{scheme}://{host}:{daemon.port}", *_hives_at(colony, host)]

    return OwnPages(app, WorkerPages(colony, lines).open, framing)


def _hives_at(colony: Colony, host: str) -> list[str]:
    """The origins of hives that a browser reaches by the host name that it has for the queen."""
    ports: set[int] = set()
    for hive in colony.hives():
        place = urlsplit(hive.url)
        name = place.hostname or ""
        if place.port is not None and (name == host or is_loopback(name)):
            ports.add(place.port)
    return [f"{kind}://{host}:{port}" for port in sorted(ports) for kind in _WEB]
