"""What a machine says of itself before anything is changed there.

One script for ``sh`` (every machine has one) finds the account, systemd, sudo, the
disk, an earlier installation and all Pythons; a second one, for the Python that
was found, tries the ways back to the queen. Both only look. Their output is
decoded here; ``fitness`` judges it.
"""

import importlib.resources
import sys
from typing import Final, Literal

import msgspec

from rbee.remote.host import Host
from rbee.remote.layout import PREFIX_DEFAULT, Installed, word
from rbee.remote.troubles import CommandFailed

PYTHON_MIN: Final = (3, 11)  # pyproject: requires-python
PROBE_S: Final = 60.0  # a second usually; half a dozen Pythons on a cold SD card take longer
ROUTE_S: Final = 5.0  # of one try to reach the queen: an SSH connection stands already

Sudo = Literal["root", "free", "password", "absent"]
"""Root itself, sudo without a password, sudo that asks for one, or none."""


class Python(msgspec.Struct, frozen=True, kw_only=True):
    """One interpreter. What follows ``version`` is empty for those that are too old."""

    path: str
    version: tuple[int, int, int]
    markers: dict[str, str] = {}
    libc: tuple[str, str] = ("", "")
    mac: str = ""
    venv: bool = False

    @property
    def usable(self) -> bool:
        """Whether rbee runs on it."""
        return self.version >= PYTHON_MIN and self.venv

    @property
    def shown(self) -> str:
        """``3.9.2 at /usr/bin/python3``."""
        return f"{'.'.join(map(str, self.version))} at {self.path}"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A machine. ``client`` is the address from which it sees our connection, if it is remote."""

    home: str
    user: str
    hostname: str
    system: str
    machine: str
    sudo: Sudo
    systemd: bool
    user_systemd: bool
    disk_free_kib: int | None
    client: str | None
    pythons: tuple[Python, ...]
    installed: Installed | None

    @property
    def python(self) -> Python | None:
        """The interpreter to take: of our own version, so that our wheels fit, else the newest."""
        ours = sys.version_info[:2]
        usable = [python for python in self.pythons if python.usable]
        return max(usable, key=lambda p: (p.version[:2] == ours, p.version), default=None)


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One try to reach the queen: her version, or why not."""

    url: str
    reached: bool
    said: str


async def probe(host: Host, *, prefix: str | None, python: str | None) -> Facts:
    """Look at a machine.

    Raises:
        CommandFailed: it has no ``sh``, or answers something else.
        HostUnreachable: it was lost.
    """
    command = f"sh -s -- {word(prefix or PREFIX_DEFAULT)} {word(python or '')}"
    done = await host.run(command, _script("probe.sh"), within_s=PROBE_S)
    if not done.ok:
        raise CommandFailed(
            f"{host.name} could not be looked at: {done.last_words}.",
            remedy="The account needs a usual shell there; Windows machines install rbee by hand.",
        )
    return read_facts(done.out, host.name)


def read_facts(out: str, name: str) -> Facts:
    """Decode what ``probe.sh`` wrote: ``key=value`` lines, several for ``python``.

    Raises:
        CommandFailed: something else spoke in between.
    """
    lines = [line.partition("=") for line in out.splitlines() if "=" in line]
    found = {key: value for key, _, value in lines}
    pythons = [value for key, _, value in lines if key == "python"]
    free = found.get("disk", "")
    try:
        return Facts(
            home=found["home"],
            user=found["user"],
            hostname=found["hostname"],
            system=found["system"],
            machine=found["machine"],
            sudo=msgspec.convert(found["sudo"], Sudo),
            systemd=found["systemd"] == "yes",
            user_systemd=found["user_systemd"] == "yes",
            disk_free_kib=int(free) if free.isdecimal() else None,
            client=found.get("client") or None,
            pythons=_pythons(pythons),
            installed=_record(found.get("record", "")),
        )
    except (KeyError, msgspec.MsgspecError) as error:
        raise CommandFailed(
            f"{name} answered something unexpected when it was looked at ({error}).",
            remedy="Does its shell's profile print something, or start another program?",
        ) from None


async def try_ways(host: Host, python: str, urls: list[str]) -> list[Way]:
    """Try each address of the queen from that machine.

    Raises:
        CommandFailed: its Python does not do as it should.
    """
    words = " ".join(word(value) for value in (str(ROUTE_S), *urls))
    wait_s = PROBE_S + ROUTE_S * len(urls)
    done = await host.run(f"{word(python)} -I - {words}", _script("route.py"), within_s=wait_s)
    try:
        return msgspec.json.decode(done.out, type=list[Way])
    except msgspec.MsgspecError:
        raise CommandFailed(
            f"{host.name} could not look for the queen: {done.last_words}."
        ) from None


def _pythons(lines: list[str]) -> tuple[Python, ...]:
    found: dict[str, Python] = {}
    for line in lines:
        try:
            python = msgspec.json.decode(line, type=Python)
        except msgspec.MsgspecError:
            continue  # an interpreter that cannot say what it is does not count
        found.setdefault(python.path, python)
    return tuple(found.values())


def _record(text: str) -> Installed | None:
    try:
        return msgspec.json.decode(text, type=Installed)
    except msgspec.MsgspecError:
        return None


def _script(name: str) -> bytes:
    return (importlib.resources.files("rbee.remote") / name).read_bytes()
