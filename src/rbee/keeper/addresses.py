"""Where the queen and the hive are: flag > environment > config.toml > running here > default.

The rule: an address that somebody named is taken at its word, and nothing is
started when it does not answer; only an address that nobody named is this
machine's own, where missing daemons may be started.
"""

import os

import msgspec

from rbee.foundation import config
from rbee.foundation.announcements import find_announced
from rbee.keeper.urls import PORTS, Room, as_url


class KeeperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``[keeper]`` in config.toml: where this operator's colony is."""

    queen_url: str | None = None
    hive_url: str | None = None


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A base URL without a slash at its end; ``named`` when a person gave it."""

    room: Room
    url: str
    named: bool


def address_of(room: Room, flag: str | None) -> Address:
    """Where to look for a room.

    Raises:
        InvalidRequest: a URL that is none.
        BadSettings: config.toml is wrong.
    """
    settings = config.load("keeper", KeeperSettings)
    configured = settings.queen_url if room == "queen" else settings.hive_url
    named = flag or os.environ.get(f"RBEE_{room.upper()}_URL") or configured
    if named:
        return Address(room=room, url=as_url(named, param=f"--{room}"), named=True)
    announced = find_announced(room)
    url = announced.base_url if announced else f"http://localhost:{port_of(room)}"
    return Address(room=room, url=url, named=False)


def port_of(room: Room) -> int:
    """The port on which this machine's daemon will listen, as it is configured.

    Raises:
        BadSettings: config.toml or the environment is wrong.
    """
    return config.one(room, "port", int, PORTS[room])
