"""Where everything of an installed hive lies on its machine. Pure.

::

    <prefix>/                 ~/.local/lib/rbee
    ├─ wheels/                what was brought, kept for the next version's sake
    ├─ versions/<build>/      one virtual environment each, never changed once whole
    ├─ current                a link to one of them, replaced in one step
    ├─ hive.env               the hive's settings, RBEE_HIVE_*
    └─ installed.json         what is installed and how it is started

The hive's own state, models and keys lie where every hive keeps them
(``foundation.paths``), so that an upgrade never touches them.
"""

import re
from typing import Final, Literal

import msgspec

from rbee.errors import InvalidRequest

PREFIX_DEFAULT: Final = ".local/lib/rbee"  # in the home of the account that logs in
UNIT: Final = "rbee-hive.service"

Keeper = Literal["system", "user", "process"]
"""Who starts the hive: the system's systemd, the user's, or nobody (a detached process)."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9@%+=:,./_-]+")


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute paths on the machine."""

    home: str
    prefix: str

    @property
    def wheels(self) -> str:
        """The folder of wheels."""
        return f"{self.prefix}/wheels"

    @property
    def versions(self) -> str:
        """The folder of environments."""
        return f"{self.prefix}/versions"

    @property
    def current(self) -> str:
        """The link to the environment in use."""
        return f"{self.prefix}/current"

    @property
    def rbee(self) -> str:
        """The command, of the environment in use."""
        return f"{self.current}/bin/rbee"

    @property
    def env_file(self) -> str:
        """The hive's settings."""
        return f"{self.prefix}/hive.env"

    @property
    def record(self) -> str:
        """What is installed."""
        return f"{self.prefix}/installed.json"

    @property
    def user_unit(self) -> str:
        """The unit file of the user's systemd."""
        return f"{self.home}/.config/systemd/user/{UNIT}"

    @property
    def key_file(self) -> str:
        """The colony's key, as ``foundation.config`` reads it."""
        return f"{self.home}/.config/rbee/api_key"

    def version(self, build: str) -> str:
        """One environment."""
        return f"{self.versions}/{build}"


SYSTEM_UNIT: Final = f"/etc/systemd/system/{UNIT}"


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """``installed.json``. ``build`` names the environment, ``keeper`` who starts the hive."""

    build: str
    version: str
    keeper: Keeper
    queen_url: str
    previous: str | None = None


def layout_of(home: str, prefix: str | None) -> Layout:
    """``prefix`` is absolute, or in ``home``; null is the usual place.

    Raises:
        InvalidRequest: the path has characters that interpreter lines and units do not take.
    """
    wanted = (prefix or PREFIX_DEFAULT).rstrip("/").removeprefix("~/")
    whole = wanted if wanted.startswith("/") else f"{home}/{wanted}"
    if word(whole) != whole:
        raise InvalidRequest(
            f"{whole!r} cannot hold an installation: it has blanks or quotes.",
            remedy="Choose a plain path with `--prefix`.",
            param="--prefix",
        )
    return Layout(home=home, prefix=whole)


def word(value: str) -> str:
    """One word of a shell line, quoted where it must be."""
    return value if _PLAIN.fullmatch(value) else "'" + value.replace("'", "'\"'\"'") + "'"
