"""Install, upgrade and remove a hive, here or on another machine, for this operator.

``rbee.remote`` knows machines; this file knows the colony: which queen the hive is
for, what it joins with, and when it has arrived. The rule: done is when the queen
has had a beat of the new hive, nothing less.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import anyio
import msgspec

from rbee import __version__
from rbee.client.join import secured
from rbee.client.joining import JoiningClient
from rbee.client.queen import QueenClient
from rbee.contracts.daemon import ServiceInfo
from rbee.contracts.joining import JoinTokenWish
from rbee.contracts.status import HiveRow
from rbee.errors import HiveUnreachable, RbeeError
from rbee.foundation.addresses import is_loopback
from rbee.foundation.trust import key_for
from rbee.keeper.addresses import address_of
from rbee.keeper.glance import ask_glance
from rbee.remote import carry, fitness, plan
from rbee.remote.carry import HiveThere, Place, Tell
from rbee.remote.fitness import Choice
from rbee.remote.host import Host, LocalHost
from rbee.remote.layout import Installed
from rbee.remote.plan import Plan, Wanted
from rbee.remote.trust import Trust
from rbee.remote.wheels import Source, WheelSet

ARRIVE_S: Final = 30.0  # a beat comes within a second of the hive's start; a slow board needs more
_LOOK_EVERY_S: Final = 0.2  # the operator waits for it


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed for an installation."""

    queen: str | None = None
    prefix: str | None = None
    python: str | None = None
    unit: fitness.Wish = "auto"
    source: Source = "auto"
    settings: Mapping[str, str] = {}
    any_version: bool = False


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A plan for one machine, and what is worth telling about it."""

    place: Place
    plan: Plan
    queen_url: str
    notes: tuple[str, ...]


class Outcome(msgspec.Struct, kw_only=True):
    """``rbee hive install --json``."""

    host: str
    hive_id: str
    version: str
    build: str
    keeper: str
    queen_url: str


@asynccontextmanager
async def machine(host: str | None, trust: Trust) -> AsyncGenerator[Host]:
    """The machine of this name over SSH; null is this one.

    Raises:
        RemoteError: it cannot be logged in to.
    """
    if host is None:
        yield LocalHost()
        return
    from rbee.remote.ssh import log_in  # noqa: PLC0415  asyncssh takes a third of a second to load

    async with await log_in(host, trust) as found:
        yield found


async def prepare_install(host: Host, wish: Wish, tell: Tell, *, dry_run: bool) -> Prepared:
    """Look, decide, and say what installing means; nothing is changed there.

    A hive on another machine joins with a token that is made now, unless it is a dry run.

    Raises:
        RbeeError: the queen does not answer, or the machine cannot have a hive.
    """
    queen = address_of("queen", wish.queen)
    async with QueenClient(queen.url, key=key_for(queen.url)) as client:
        info = await client.info()
    tell(f"looking at {host.name}")
    place = await carry.look(host, prefix=wish.prefix, python=wish.python)
    choice = fitness.choose(place.facts, wish.unit, host.name)
    _check_versions(wish, info, place, host)
    url = await carry.find_route(
        host, place, choice, named=wish.queen and queen.url, known=queen.url
    )
    wanted = await _credentials(queen.url, url, wish, dry_run=dry_run)
    return await _prepare(host, place, choice, wish, wanted, tell)


async def prepare_upgrade(host: Host, wish: Wish, tell: Tell, *, dry_run: bool) -> Prepared:
    """As ``prepare_install``, with the hive's settings and keeper left as they are.

    Raises:
        NotInstalled: there is nothing to upgrade.
        RbeeError: as ``prepare_install``.
    """
    queen = address_of("queen", wish.queen)
    async with QueenClient(queen.url, key=key_for(queen.url)) as client:
        info = await client.info()
    del dry_run  # nothing is made beforehand
    tell(f"looking at {host.name}")
    place = await carry.look(host, prefix=wish.prefix, python=wish.python)
    before = carry.must_be_installed(place, host.name)
    choice = fitness.choose(place.facts, before.keeper, host.name)
    _check_versions(wish, info, place, host)
    return await _prepare(host, place, choice, wish, None, tell)


async def install(host: Host, prepared: Prepared, queen_flag: str | None, tell: Tell) -> Outcome:
    """Do what was prepared; returns when the hive is in the queen's registry.

    Raises:
        RbeeError: it failed; what ran before runs again.
    """
    there: list[HiveThere] = []

    async def arrived() -> None:
        tell("waiting for the hive at the queen")
        there.append(await _arrive(host, prepared, queen_flag))

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


async def _credentials(queen_url: str, url: str, wish: Wish, *, dry_run: bool) -> Wanted:
    """What the hive shows to the queen: on her own machine the key, elsewhere a certificate.

    Raises:
        RbeeError: she makes no token for this operator.
    """
    if is_loopback(urlsplit(url).hostname or ""):
        return Wanted(queen_url=url, settings=wish.settings, key=key_for(queen_url))
    token = "to be made"  # noqa: S105  of a dry run, which shows no token
    if not dry_run:
        named = wish.settings.get("RBEE_HIVE_HIVE_ID")
        async with QueenClient(queen_url, key=key_for(queen_url)) as client:
            made = await JoiningClient(client.transport).new_token(
                JoinTokenWish(hive_ids=[named] if named else [])
            )
        token = made.token
    return Wanted(queen_url=secured(url), settings=wish.settings, token=token)


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


def _check_versions(wish: Wish, queen: ServiceInfo, place: Place, host: Host) -> None:
    if not wish.any_version:
        there = place.installed.version if place.installed else None
        fitness.check_versions(__version__, queen.version, there, host.name)


async def _arrive(host: Host, prepared: Prepared, queen_flag: str | None) -> HiveThere:
    """Wait until the queen has had a beat of the hive that runs there now.

    Raises:
        HiveUnreachable: she has not, in time.
    """
    since = time.monotonic()
    there = await carry.ask_hive(host, prepared.place.layout)
    url = address_of("queen", queen_flag).url
    async with QueenClient(url, key=key_for(url)) as client:
        with anyio.move_on_after(ARRIVE_S):
            while not _has_beaten(await _rows(client), there, since):  # noqa: ASYNC110  it is elsewhere
                await anyio.sleep(_LOOK_EVERY_S)
            return there
    said = await carry.last_words(host, prepared.place, prepared.plan.installed)
    raise HiveUnreachable(
        f"The hive runs on {host.name} but has not reached the queen at {url} within "
        f"{ARRIVE_S:.0f} s." + (f" Its log says: {said}" if said else ""),
        remedy=f"`rbee hive status --host {host.name}` looks at it; does the queen take its key?",
    )


async def _rows(client: QueenClient) -> list[HiveRow]:
    try:
        return (await ask_glance(client)).hives
    except RbeeError:
        return []  # she is asked again until the time is over


def _has_beaten(rows: list[HiveRow], there: HiveThere, since: float) -> bool:
    """Whether a beat came after ``since``, of the version that runs there."""
    return any(
        row.hive_id == there.hive_id
        and row.state == "fresh"
        and row.version == there.version
        and row.beat_age_s is not None
        and row.beat_age_s < time.monotonic() - since
        for row in rows
    )


def installed_text(outcome: Outcome) -> str:
    """What was reached, in one sentence."""
    how = {"system": "a system service", "user": "a user's service", "process": "a process"}
    return (
        f"The hive {outcome.hive_id} on {outcome.host} is in the colony of {outcome.queen_url} "
        f"(version {outcome.version}, {how[outcome.keeper]})."
    )


def record_text(installed: Installed) -> str:
    """``version 0.1.0, build …, started by …``."""
    return f"version {installed.version}, build {installed.build}, started by {installed.keeper}"
