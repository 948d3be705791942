"""Which queen this hive belongs to: the one that was set, else the joined one, else this machine's."""

import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from rbee.contracts.ids import HiveId
from rbee.errors import BadSettings
from rbee.foundation.addresses import is_loopback
from rbee.foundation.identity.folder import load_identity
from rbee.foundation.identity.joined import read_joined
from rbee.hive.settings import QUEEN_URL_DEFAULT, HiveSettings


def queen_of(settings: HiveSettings, folder: Path) -> str:
    """Her URL. ``folder`` is where this hive's identity lies.

    A member speaks TLS with every queen but one on its own machine, whatever scheme was
    written down before it joined.
    """
    joined = read_joined(folder)
    if joined is None:
        return settings.queen_url
    if settings.queen_url == QUEEN_URL_DEFAULT:
        return joined.url
    parts = urlsplit(settings.queen_url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return urlunsplit(parts._replace(scheme="https"))
    return settings.queen_url


def is_alone(settings: HiveSettings, folder: Path) -> bool:
    """Whether nobody ever said whose hive this is."""
    return settings.queen_url == QUEEN_URL_DEFAULT and read_joined(folder) is None


def check_membership(folder: Path, hive_id: HiveId) -> str | None:
    """The URL of the joined queen; null when none was joined.

    Raises:
        BadSettings: it was joined under another name than this hive has.
    """
    joined = read_joined(folder)
    if joined is not None and joined.hive_id != hive_id:
        raise BadSettings(
            f"This machine joined {joined.url} as {joined.hive_id}, and this hive is {hive_id}.",
            remedy=f"Leave `hive_id` out or set it to {joined.hive_id}; or join again under "
            f"this name: `rbee hive join {joined.url} --hive-id {hive_id}`.",
        )
    return None if joined is None else joined.url


def expired(folder: Path) -> str | None:
    """What to say about a certificate that expired; null when it is valid, or there is none."""
    identity = load_identity(folder)
    if identity is None or identity.valid(time.time()):
        return None
    return (
        f"The certificate of {identity.peer.id} expired or is not valid yet: check this "
        "machine's clock, or join again (`rbee hive token` on the queen's machine)."
    )
