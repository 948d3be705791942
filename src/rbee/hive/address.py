"""Under which address the queen reaches this machine, and whether what was set can work.

The classic fault of a second machine is a word that means another machine there:
``localhost``. A hive that is told such a URL of its queen, or tells her such an address of
its own, says so when it starts, with what to write instead.
"""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rbee.errors import BadSettings
from rbee.foundation.addresses import is_loopback
from rbee.foundation.source_address import SOMEWHERE, source_towards
from rbee.hive.engines.engine import Outside
from rbee.hive.settings import HiveSettings

IDENTITY_FILES: Final = ("key.pem", "cert.pem", "ca.pem")
"""Of ``foundation.identity``: with all three, this hive is a member of a colony."""

_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared, not bound


def advertised(settings: HiveSettings) -> str:
    """The setting, else the bound address, else this machine's address on the queen's side."""
    if settings.advertise:
        return settings.advertise
    if is_loopback(settings.bind):
        return "127.0.0.1"
    return colony_address(settings.queen_url) if settings.bind in _WILDCARDS else settings.bind


def is_here(queen_url: str) -> bool:
    """Whether a URL names this very machine by a word that every machine has for itself."""
    host = urlsplit(queen_url).hostname or ""
    return is_loopback(host) or host in _WILDCARDS


def colony_address(queen_url: str) -> str:
    """This machine's address on the way to the queen; loopback where there is no way.

    A name is looked up, so it may take the resolver's time.
    """
    host = urlsplit(queen_url).hostname
    found = None if host is None or is_here(queen_url) else source_towards(host)
    return found or source_towards(SOMEWHERE) or "127.0.0.1"


def url_of(queen_url: str, address: str, port: int) -> str:
    """Where the queen finds this hive's own server; empty: only its link reaches it.

    So it is for a hive without a port, and for one on loopback whose queen is elsewhere.
    """
    if port == 0 or (is_loopback(address) and not is_here(queen_url)):
        return ""
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def outside_of(
    settings: HiveSettings, queen_url: str, colony: str, identity: Path
) -> Outside | None:
    """Where workers take connections of a queen on another machine; None: nowhere.

    ``colony`` is this machine's address on the way to her. Nothing is opened for a queen
    of this machine, for a hive that has not joined, or that opens nothing at all.
    """
    if is_here(queen_url) or settings.outbound_only:
        return None
    if not all((identity / name).is_file() for name in IDENTITY_FILES):
        return None
    bound = settings.bind
    host = colony if is_loopback(bound) or bound in _WILDCARDS else bound
    if is_loopback(host) or host == urlsplit(queen_url).hostname:
        return None  # no network, or the queen is on this machine under its own address
    return Outside(host=host, identity=identity, trust=tuple(settings.trusted_networks))


def check_addresses(settings: HiveSettings, queen_url: str, joined_url: str | None) -> None:
    """Refuse addresses that cannot mean what was meant. ``joined_url``: whose colony this is in.

    Raises:
        BadSettings: names the setting and says what to write.
    """
    if joined_url is not None and is_here(queen_url) and not is_here(joined_url):
        raise BadSettings(
            f"`queen_url` is {queen_url}, which is this very machine, and this hive has joined "
            f"the queen at {joined_url}.",
            remedy=f"Leave `queen_url` out, or set it to {joined_url}.",
        )
    address = settings.advertise
    if address and is_loopback(address) and not is_here(queen_url):
        raise BadSettings(
            f"`advertise` is {address}: for the queen at {queen_url} that is her own machine.",
            remedy="Leave `advertise` out, or give an address at which she reaches this machine.",
        )


def nobody_here(queen_url: str) -> str | None:
    """Why a queen at a localhost URL may not answer; None for any other URL."""
    if not is_here(queen_url):
        return None
    return (
        f"No queen answers at {queen_url}, which is this very machine. If she runs on another "
        "one, give her address (`queen_url`, `--queen`), as http://192.168.1.10:7833."
    )
