"""What the queen's settings become in her parts, at her start and when they change while she runs.

``settings_book`` is what ``/v1/settings`` works on: it names which settings count at once, which
stand only in the file, and refuses a change with which she could not start again.
"""

from collections.abc import Callable
from typing import Final

from rbee.errors import BadSettings
from rbee.foundation.http.certificates import Tls, given_files
from rbee.foundation.http.door import trusted_networks
from rbee.foundation.http.gate import Policy, make_policy
from rbee.foundation.http.tls import Peer
from rbee.foundation.settings_book import Room, SettingsBook
from rbee.queen.api.access import scopes_for
from rbee.queen.inference.admission import Admission, Limits
from rbee.queen.inference.media import Media
from rbee.queen.inference.router import Router
from rbee.queen.reconciler import Reconciler
from rbee.queen.scheduling.options import Policy as PlacementPolicy
from rbee.queen.settings import Settings
from rbee.queen.store.choice import SCHEMES

GROUPS: Final = {
    "bind": "Network",
    "port": "Network",
    "pages_port": "Network",
    "allowed_hosts": "Network",
    "allowed_origins": "Network",
    "trusted_networks": "Network",
    "tls_cert": "Network",
    "tls_key": "Network",
    "announce": "Hives",
    "ssh_key": "Hives",
    "media_hosts": "Requests",
    "auto_download": "Models",
    "queue_max": "Requests",
    "queue_per_model_max": "Requests",
    "wait_max_s": "Requests",
    "quiet_s": "Hives",
    "store": "Storage and logs",
    "log_level": "Storage and logs",
    "keys": "Storage and logs",
    "placement": "Models",
    "routing": "Routing",
    "otlp_endpoint": "Storage and logs",
}
"""Where a setting stands on the page."""

LIVE: Final = (
    "auto_download",
    "queue_max",
    "queue_per_model_max",
    "wait_max_s",
    "media_hosts",
    "placement",
    "routing",
)
"""What counts from the next request on; all others are read at the start."""

LOCKED: Final = {
    "keys": "These stand in config.toml and are changed there. Keys that are made while the queen "
    "runs are made, listed and revoked on their own page, or by `rbee keys`.",
    "ssh_key": "Into which machines the queen may log in is decided on her own machine, in "
    "config.toml: whoever commands her from afar could otherwise name any key that lies there.",
}

_STORES: Final = frozenset({"sqlite", "memory"})


def settings_book(
    running: Settings,
    *,
    key: str | None,
    adopt: Callable[[Settings], None],
) -> SettingsBook[Settings]:
    """The queen's settings for ``/v1/settings``. ``key`` is the colony's."""

    def check(settings: Settings) -> None:
        check_start(settings, key)

    room = Room(
        name="queen",
        type=Settings,
        groups=GROUPS,
        live=LIVE,
        locked=LOCKED,
        check=check,
        adopt=adopt,
    )
    return SettingsBook(room, running)


def check_start(settings: Settings, key: str | None) -> None:
    """Refuse settings with which she could not start, as far as one can tell beforehand.

    Raises:
        UnsafeBind: others could reach her, and there is no key.
        BadSettings: a network, a certificate, a key or the store cannot be used.
    """
    gate_policy(settings, settings.port, key)
    trusted_networks(settings.trusted_networks)
    files = given_files(settings.tls_cert, settings.tls_key)
    if files is not None:
        Tls(given=files)
    store = settings.store.strip()
    if store not in _STORES and not store.startswith(SCHEMES):
        raise BadSettings(
            "`store` names no store.",
            remedy='Use "sqlite", "memory" or "postgresql://user@host/database".',
        )


def gate_policy(
    settings: Settings,
    port: int,
    key: str | None,
    accepts: Callable[[Peer], bool] = lambda _peer: True,
) -> Policy:
    """Who may come in."""
    return make_policy(
        settings.bind,
        port,
        key=key,
        hosts=settings.allowed_hosts,
        origins=settings.allowed_origins,
        keys=settings.keys,
        needs=scopes_for,
        accepts=accepts,
    )


def limits(settings: Settings) -> Limits:
    """The queue's bounds."""
    return Limits(
        waiting_max=settings.queue_max,
        waiting_per_model_max=settings.queue_per_model_max,
        wait_max_s=settings.wait_max_s,
        may_fetch=settings.auto_download,
    )


def placement_policy(settings: Settings) -> PlacementPolicy:
    """What placement may do."""
    return PlacementPolicy(auto_download=settings.auto_download, settings=settings.placement)


def adopting(
    admission: Admission, reconciler: Reconciler, router: Router, media: Media
) -> Callable[[Settings], None]:
    """What hands changed settings to the parts that work by them."""

    def adopt(settings: Settings) -> None:
        admission.adopt(limits(settings))
        reconciler.adopt(placement_policy(settings))
        router.adopt(settings.routing)
        media.adopt(settings.media_hosts)

    return adopt
