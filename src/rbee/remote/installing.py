"""Install or upgrade a hive on a machine, for whichever room was asked: the keeper or the queen.

``carry`` and ``plan`` know machines; what they cannot know of the colony comes through a
``QueenSide``: where the queen is, what a new hive joins with, whose beats she had. The rule:
done is when the queen has had a beat of the new hive, nothing less.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol

import anyio
import msgspec

from rbee import __version__
from rbee.errors import HiveUnreachable, RbeeError
from rbee.remote import carry, fitness, plan
from rbee.remote.carry import HiveThere, Place, Tell
from rbee.remote.fitness import Choice
from rbee.remote.host import Host, LocalHost
from rbee.remote.plan import Plan, Wanted
from rbee.remote.trust import OwnKey, Trust
from rbee.remote.wheels import Source, WheelSet

ARRIVE_S: Final = 30.0  # a beat comes within a second of the hive's start; a slow board needs more
_LOOK_EVERY_S: Final = 0.2  # somebody waits for it


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is wished of an installation. ``queen_url`` is the operator's own word for her address."""

    queen_url: str | None = None
    prefix: str | None = None
    python: str | None = None
    unit: fitness.Wish = "auto"
    source: Source = "auto"
    settings: Mapping[str, str] = {}
    any_version: bool = False


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A hive as the queen has it: whether its beats are fresh, and how old the last one is."""

    hive_id: str
    fresh: bool
    version: str | None
    beat_age_s: float | None


class QueenSide(Protocol):
    """The queen of the new hive. ``url`` is where she is reached from here."""

    url: str

    async def version(self) -> str:
        """Hers.

        Raises:
            RbeeError: she does not answer.
        """
        ...

    async def wanted(self, url: str, settings: Mapping[str, str], *, dry_run: bool) -> Wanted:
        """What the hive shows to her at ``url``; a dry run makes no token.

        Raises:
            RbeeError: she makes none.
        """
        ...

    async def hives(self) -> list[Seen]:
        """All that beat; none while she cannot be asked."""
        ...


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A plan for one machine, and what is worth telling about it."""

    place: Place
    plan: Plan
    queen_url: str
    notes: tuple[str, ...]


class Outcome(msgspec.Struct, kw_only=True):
    """``rbee hive install --json``, and ``data`` of ``hive_install_complete``."""

    host: str
    hive_id: str
    version: str
    build: str
    keeper: str
    queen_url: str


@asynccontextmanager
async def machine(
    host: str | None, trust: Trust, own_key: OwnKey | None = None
) -> AsyncGenerator[Host]:
    """The machine of this name over SSH; null is this one. ``own_key``: as ``ssh.log_in``.

    Raises:
        RemoteError: it cannot be logged in to.
    """
    if host is None:
        yield LocalHost()
        return
    from rbee.remote.ssh import log_in  # noqa: PLC0415  asyncssh takes a third of a second to load

    async with await log_in(host, trust, own_key) as found:
        yield found


async def prepare_install(
    host: Host, queen: QueenSide, wish: Wish, tell: Tell, *, dry_run: bool
) -> Prepared:
    """Look, decide, and say what installing means; nothing is changed there.

    A hive on another machine joins with a token that is made now, unless it is a dry run.

    Raises:
        RbeeError: the queen does not answer, or the machine cannot have a hive.
    """
    hers = await queen.version()
    tell(f"looking at {host.name}")
    place = await carry.look(host, prefix=wish.prefix, python=wish.python)
    choice = fitness.choose(place.facts, wish.unit, host.name)
    _check_versions(wish, hers, place, host)
    url = await carry.find_route(host, place, choice, named=wish.queen_url, known=queen.url)
    wanted = await queen.wanted(url, wish.settings, dry_run=dry_run)
    return await _prepare(host, place, choice, wish, wanted, tell)


async def prepare_upgrade(
    host: Host, queen: QueenSide, wish: Wish, tell: Tell, *, dry_run: bool
) -> Prepared:
    """As ``prepare_install``, with the hive's settings and keeper left as they are.

    Raises:
        NotInstalled: there is nothing to upgrade.
        RbeeError: as ``prepare_install``.
    """
    hers = await queen.version()
    del dry_run  # nothing is made beforehand
    tell(f"looking at {host.name}")
    place = await carry.look(host, prefix=wish.prefix, python=wish.python)
    before = carry.must_be_installed(place, host.name)
    choice = fitness.choose(place.facts, before.keeper, host.name)
    _check_versions(wish, hers, place, host)
    return await _prepare(host, place, choice, wish, None, tell)


async def install(host: Host, queen: QueenSide, prepared: Prepared, tell: Tell) -> Outcome:
    """Do what was prepared; returns when the hive is in the queen's registry.

    Raises:
        RbeeError: it failed; what ran before runs again.
    """
    there: list[HiveThere] = []

    async def arrived() -> None:
        tell("waiting for the hive at the queen")
        there.append(await _arrive(host, queen, prepared))

    await carry.install(host, prepared.plan, tell, arrived)
    installed = prepared.plan.installed
    return Outcome(
        host=host.name,
        hive_id=there[0].hive_id or "",
        version=installed.version,
        build=installed.build,
        keeper=installed.keeper,
        queen_url=prepared.queen_url,
    )


async def _prepare(
    host: Host, place: Place, choice: Choice, wish: Wish, wanted: Wanted | None, tell: Tell
) -> Prepared:
    tell("packing the wheels")
    wheels = await carry.gather(place, choice, wish.source)
    missing = await carry.missing_wheels(host, place, choice, wheels)
    doing = plan.install_plan(place.layout, place.facts, choice, wheels, missing, wanted)
    return Prepared(
        place=place,
        plan=doing,
        queen_url=doing.installed.queen_url,
        notes=(*choice.notes, _about_wheels(wheels, missing, host)),
    )


def _about_wheels(wheels: WheelSet, missing: list[str], host: Host) -> str:
    """Where the packages come from, for the operator."""
    total = sum(wheel.size_bytes for name, wheel in plan.named(wheels).items() if name in missing)
    sent = f"{len(missing)} wheels go from here ({total / 1e6:.0f} MB)" if missing else ""
    left = f"{host.name}'s own package index gives {', '.join(wheels.left)}" if wheels.left else ""
    said = "; ".join(part for part in (sent, left) if part) or "every wheel is there already"
    return f"{said[0].upper()}{said[1:]}."


def _check_versions(wish: Wish, queen: str, place: Place, host: Host) -> None:
    if not wish.any_version:
        there = place.installed.version if place.installed else None
        fitness.check_versions(__version__, queen, there, host.name)


async def _arrive(host: Host, queen: QueenSide, prepared: Prepared) -> HiveThere:
    """Wait until the queen has had a beat of the hive that runs there now.

    Raises:
        HiveUnreachable: she has not, in time.
    """
    since = time.monotonic()
    there = await carry.ask_hive(host, prepared.place.layout)
    with anyio.move_on_after(ARRIVE_S):
        while not _has_beaten(await _seen(queen), there, since):  # noqa: ASYNC110  it is elsewhere
            await anyio.sleep(_LOOK_EVERY_S)
        return there
    said = await carry.last_words(host, prepared.place, prepared.plan.installed)
    raise HiveUnreachable(
        f"The hive runs on {host.name} but has not reached the queen at {queen.url} within "
        f"{ARRIVE_S:.0f} s." + (f" Its log says: {said}" if said else ""),
        remedy=f"`rbee hive status --host {host.name}` looks at it; does the queen take its key?",
    )


async def _seen(queen: QueenSide) -> list[Seen]:
    try:
        return await queen.hives()
    except RbeeError:
        return []  # she is asked again until the time is over


def _has_beaten(rows: list[Seen], there: HiveThere, since: float) -> bool:
    """Whether a beat came after ``since``, of the version that runs there."""
    return any(
        row.hive_id == there.hive_id
        and row.fresh
        and row.version == there.version
        and row.beat_age_s is not None
        and row.beat_age_s < time.monotonic() - since
        for row in rows
    )
