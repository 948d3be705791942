"""Where the queen and the hive are.

For both: flag > environment > config.toml > running here > default. For the queen, before what
runs here: ``rbee login``; and where none runs here, the colony that this machine's hive has joined.

The rule: an address that somebody named is taken at its word, and nothing is
started when it does not answer; only an address that nobody named is this
machine's own, where missing daemons may be started.
"""

import os
from typing import Annotated, cast
from urllib.parse import urlsplit

import msgspec

from rbee.foundation import config, trust
from rbee.foundation.announcements import find_announced
from rbee.foundation.identity.joined import read_joined
from rbee.foundation.identity.places import hive_identity_dir
from rbee.keeper.urls import PORTS, Room, as_url

# 16 bits, as the rooms themselves check it: what is none must not get into a URL.
_PORT = cast("type[int]", Annotated[int, msgspec.Meta(ge=0, le=65_535)])
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class KeeperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``[keeper]`` in config.toml: where this operator's colony is.

    ``keyring`` false: keys of ``rbee login`` go into files of mode 0600 in any case.
    """

    queen_url: str | None = None
    hive_url: str | None = None
    keyring: bool = True


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A base URL without a slash at its end; ``named`` when a person gave it."""

    room: Room
    url: str
    named: bool


def address_of(room: Room, flag: str | None, *, login: bool = True) -> Address:
    """Where to look for a room. Without ``login`` for what runs, or will run, on this machine.

    Raises:
        InvalidRequest: a URL that is none.
        BadSettings: config.toml is wrong.
    """
    settings = config.load("keeper", KeeperSettings)
    configured = settings.queen_url if room == "queen" else settings.hive_url
    named = flag or os.environ.get(f"RBEE_{room.upper()}_URL") or configured
    if not named and login and room == "queen":
        named = trust.usual()
    if named:
        return Address(room=room, url=as_url(named, param=f"--{room}"), named=True)
    announced = find_announced(room)
    if announced is None and login and room == "queen" and (far := far_colony()) is not None:
        return Address(room=room, url=far, named=True)
    own = announced.base_url if announced else ""  # empty: it listens nowhere
    url = own or f"http://localhost:{port_of(room)}"
    return Address(room=room, url=url, named=False)


def far_colony() -> str | None:
    """The queen, on another machine, whose colony this machine's hive has joined."""
    joined = read_joined(hive_identity_dir())
    if joined is None or urlsplit(joined.url).hostname in _HERE:
        return None
    return joined.url


def port_of(room: Room) -> int:
    """The port on which this machine's daemon will listen, as it is configured.

    Raises:
        BadSettings: config.toml or the environment is wrong.
    """
    return config.one(room, "port", _PORT, PORTS[room])
