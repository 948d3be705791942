"""Can a hive live on this machine, and who will start it there? Pure.

The rule: the machine is changed only when everything that is needed was seen to
be there; each thing that is missing has its own error and its own way out.
"""

from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from rbee.remote.facts import PYTHON_MIN, Facts, Python, Way
from rbee.remote.layout import Keeper
from rbee.remote.troubles import HostUnfit, NoRouteBack, VersionSkew

Wish = Literal["auto", "system", "user", "process"]
"""Who is to start the hive; ``auto`` takes the first of the others that works."""

SYSTEMS: Final = ("Linux", "Darwin")
DISK_MIN_KIB: Final = 700 * 1024  # wheels 65 MB, unpacked 170 MB, an old version beside it, spare
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The interpreter, who starts the hive, and what the operator should know of that."""

    python: Python
    keeper: Keeper
    notes: tuple[str, ...] = ()


def choose(facts: Facts, wish: Wish, name: str) -> Choice:
    """Judge a machine; ``name`` is what the operator calls it.

    Raises:
        HostUnfit: says what is missing and what to do.
    """
    if facts.system not in SYSTEMS:
        raise HostUnfit(
            f"{name} runs {facts.system}, where rbee cannot be installed over SSH yet.",
            remedy="Install it by hand there: `pip install rbee`, then `rbee hive join`.",
        )
    free = facts.disk_free_kib
    if free is not None and free < DISK_MIN_KIB:
        raise HostUnfit(
            f"{name} has {free // 1024} MiB free where rbee would be; it needs "
            f"{DISK_MIN_KIB // 1024} MiB (models come on top).",
            remedy="Free some space there, or choose another place with `--prefix PATH`.",
        )
    keeper, notes = _keeper(facts, wish, name)
    return Choice(python=_python(facts, name), keeper=keeper, notes=notes)


def _python(facts: Facts, name: str) -> Python:
    if facts.python is not None:
        return facts.python
    wanted = ".".join(map(str, PYTHON_MIN))
    without = [python.shown for python in facts.pythons if python.version >= PYTHON_MIN]
    if without:
        raise HostUnfit(
            f"{name} has Python {without[0]}, without its module `venv`.",
            remedy="On Debian and Ubuntu: `sudo apt install python3-venv`.",
        )
    found = ", ".join(python.shown for python in facts.pythons)
    raise HostUnfit(
        f"{name} has no Python {wanted} or newer" + (f", only {found}." if found else "."),
        remedy=f"Install one there (`sudo apt install python3`, `uv python install {wanted}`) and "
        "name it where it is no usual place: `--python PATH`.",
    )


def _keeper(facts: Facts, wish: Wish, name: str) -> tuple[Keeper, tuple[str, ...]]:
    """Who starts the hive."""
    may_system = facts.systemd and facts.sudo in {"root", "free"}
    if wish == "system" and not may_system:
        raise _no_system(facts, name)
    if wish == "user" and not facts.user_systemd:
        raise HostUnfit(
            f"{facts.user}'s own systemd does not answer on {name}.",
            remedy="`sudo loginctl enable-linger` for that account starts it; "
            "or `--unit process` for a plain process.",
        )
    if wish == "process" or (wish == "auto" and not may_system and not facts.user_systemd):
        return "process", (_why_process(facts, wish),)
    if wish == "system" or (wish == "auto" and may_system):
        return "system", ()
    why = () if wish == "user" else (f"{_about_sudo(facts)}, so the hive is a user's service.",)
    return "user", why


def _no_system(facts: Facts, name: str) -> HostUnfit:
    if not facts.systemd:
        return HostUnfit(
            f"{name} was not started by systemd, so there is no system service.",
            remedy="`--unit process` (or no `--unit`) starts the hive as a plain process; "
            "your own init can run `rbee hive run`.",
        )
    return HostUnfit(
        f"A system service on {name} needs root, and {_about_sudo(facts)}.",
        remedy="Log in as root, allow this account sudo without a password "
        f"(`{facts.user} ALL=(ALL) NOPASSWD: ALL` in sudoers), or `--unit user`.",
    )


def _about_sudo(facts: Facts) -> str:
    if facts.sudo == "absent":
        return f"there is no sudo for {facts.user}"
    return f"sudo asks {facts.user} for a password, which rbee never passes on"


def _why_process(facts: Facts, wish: Wish) -> str:
    start = "the hive is a plain process: after a reboot, `rbee hive start --host …` starts it."
    if wish == "process":
        return start[0].upper() + start[1:]
    return f"{'systemd is of no use here' if facts.systemd else 'There is no systemd'}: {start}"


def candidates(named: str | None, known: str, client: str | None) -> list[str]:
    """Addresses of the queen to try from the machine, best first.

    ``named`` is the operator's own word and then the only one; ``known`` is where we
    reach her; ``client`` is how the machine sees us, null for this machine itself.
    """
    if named is not None:
        return [named]
    parts = urlsplit(known)
    if client is None or parts.hostname not in _LOOPBACK:
        return [known]
    shown = f"[{client}]" if ":" in client else client
    return [f"{parts.scheme}://{shown}:{parts.port}"]


def route(ways: Sequence[Way], name: str, *, named: bool) -> str:
    """The first address that was reached.

    Raises:
        NoRouteBack: none; says what happened to each.
    """
    for way in ways:
        if way.reached:
            return way.url
    tried = "; ".join(f"{way.url} {way.said}" for way in ways)
    remedy = (
        "Check that address, and the firewall of the queen's machine."
        if named
        else "If the queen listens on 127.0.0.1 alone, let her listen for others "
        "(`rbee down`, then `rbee up --bind 0.0.0.0`); if the address is the wrong "
        "one, name one that this machine reaches: `--queen URL`."
    )
    raise NoRouteBack(f"{name} does not reach the queen: {tried}.", remedy=remedy)


def check_versions(ours: str, queen: str | None, there: str | None, name: str) -> None:
    """Refuse what would mix versions: a queen of another one, a newer hive made older.

    Raises:
        VersionSkew: they differ.
    """
    if queen is not None and queen != ours:
        raise VersionSkew(
            f"The queen is version {queen}, and this program would install {ours} on {name}.",
            remedy="Run this with the queen's version, or bring her to this one; "
            "`--any-version` goes on regardless.",
        )
    if there is not None and _numbers(there) > _numbers(ours):
        raise VersionSkew(
            f"{name} has version {there} already, which is newer than this program's {ours}.",
            remedy="Update rbee here first; `--any-version` puts the older one there.",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(
        int(part) for part in version.split("+", maxsplit=1)[0].split(".") if part.isdecimal()
    )
