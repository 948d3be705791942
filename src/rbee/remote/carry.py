"""Carry out plans on a machine: the effects of ``plan``, in order, each told before it runs.

The keeper comes here. The rules: a step that fails ends the plan, and what it said
is in the error; a switch that did not lead to a hive at its queen is taken back.
"""

import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import anyio.to_thread
import msgspec

from rbee.errors import RbeeError
from rbee.remote import facts, fitness, index, plan, starting, tags, wheels
from rbee.remote.facts import Facts
from rbee.remote.fitness import Choice
from rbee.remote.host import CHUNK_BYTES, Host
from rbee.remote.layout import Installed, Layout, layout_of
from rbee.remote.plan import Plan
from rbee.remote.step import Step
from rbee.remote.troubles import CommandFailed, NotInstalled
from rbee.remote.wheels import Source, Wheel, WheelSet

_TAR_BLOCK_BYTES: Final = 512  # of a tar archive: every file is filled up to it
_MODE: Final = 0o600  # nobody else's business

Tell = Callable[[str], None]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that was looked at."""

    facts: Facts
    layout: Layout

    @property
    def installed(self) -> Installed | None:
        """What stands there."""
        return self.facts.installed


class HiveThere(msgspec.Struct, frozen=True, kw_only=True):
    """What the installed rbee says of its hive; unknown is null."""

    running: bool
    pid: int | None = None
    version: str | None = None
    uptime_s: float | None = None
    hive_id: str | None = None
    queen_url: str | None = None


async def look(host: Host, *, prefix: str | None = None, python: str | None = None) -> Place:
    """Look at a machine; nothing is changed.

    Raises:
        CommandFailed: it cannot be looked at.
        HostUnreachable: it was lost.
    """
    found = await facts.probe(host, prefix=prefix, python=python)
    return Place(facts=found, layout=layout_of(found.home, prefix))


def must_be_installed(place: Place, name: str) -> Installed:
    """What stands on the machine.

    Raises:
        NotInstalled: nothing of ours.
    """
    if place.installed is None:
        raise NotInstalled(
            f"There is no installation of rbee in {place.layout.prefix} on {name}.",
            remedy=f"`rbee hive install --host {name}` makes one; `--prefix` names another place.",
        )
    return place.installed


async def find_route(
    host: Host, place: Place, choice: Choice, *, named: str | None, known: str
) -> str:
    """The queen's address as this machine reaches it.

    Raises:
        NoRouteBack: it does not.
    """
    urls = fitness.candidates(named, known, place.facts.client)
    ways = await facts.try_ways(host, choice.python.path, urls)
    return fitness.route(ways, host.name, named=named is not None)


async def gather(place: Place, choice: Choice, source: Source) -> WheelSet:
    """The wheels for the machine, from here.

    Raises:
        StartError: they cannot be had.
    """
    wanted = tags.tags_of(place.facts, choice.python)
    return await anyio.to_thread.run_sync(
        wheels.gather, wanted, choice.python.markers, source, index.fetch
    )


async def missing_wheels(host: Host, place: Place, choice: Choice, of: WheelSet) -> list[str]:
    """Which wheels the machine does not have, whole, yet.

    Raises:
        CommandFailed: its Python does not do as it should.
    """
    command = plan.missing_command(place.layout, choice.python.path)
    done = await host.run(command, plan.missing_question(of), within_s=plan.UNPACK_S)
    if not done.ok:
        raise _failed(host, "looking at the wheels", done.last_words)
    return done.out.split()


async def install(
    host: Host, doing: Plan, tell: Tell, arrived: Callable[[], Awaitable[None]]
) -> None:
    """Carry out a plan; ``arrived`` returns when the hive is at its queen, or raises.

    Raises:
        CommandFailed: a step failed; what ran before runs again.
        RbeeError: ``arrived`` raised it; likewise.
    """
    await carry(host, doing.prepare, tell)
    try:
        await carry(host, doing.switch, tell)
        await arrived()
    except RbeeError as error:
        if doing.installed.previous is not None:
            tell("putting the version before back")
        try:
            await carry(host, doing.rollback, tell)
        except RbeeError as second:
            error.remedy += f" (Going back failed too: {second.message})"
        raise
    await carry(host, doing.finish, tell)


async def carry(host: Host, steps: Sequence[Step], tell: Tell) -> None:
    """Run steps one after the other.

    Raises:
        CommandFailed: one ended with an error that matters.
        HostUnreachable: the machine was lost.
    """
    for step in steps:
        tell(step.what)
        stdin = archive(step.upload) if step.upload else step.stdin
        done = await host.run(step.command, stdin, within_s=step.within_s)
        if done.ok:
            continue
        if step.may_fail is None:
            raise _failed(host, step.what, done.last_words)
        tell(f"note: {step.may_fail}")


async def ask_hive(host: Host, layout: Layout) -> HiveThere:
    """What the installed rbee says of its hive.

    Raises:
        CommandFailed: it says nothing that can be read.
    """
    done = await host.run(starting.status_command(layout))
    try:
        return msgspec.json.decode(done.out, type=HiveThere)
    except msgspec.MsgspecError:
        raise _failed(host, "asking for the hive's state", done.last_words) from None


async def last_words(host: Host, place: Place, installed: Installed) -> str:
    """The last lines of the hive's log, on one line; empty when there are none."""
    sudo = starting.sudo_prefix(place.facts.sudo)
    done = await host.run(starting.log_command(place.layout, installed, sudo))
    return " | ".join(line.strip() for line in done.out.splitlines() if line.strip())


async def archive(files: Sequence[tuple[str, Wheel]]) -> AsyncIterator[bytes]:
    """The files as a tar archive, made while it is sent."""
    for name, wheel in files:
        header = tarfile.TarInfo(name)
        header.size = wheel.size_bytes
        header.mode = _MODE
        yield header.tobuf(tarfile.PAX_FORMAT)
        async with await anyio.open_file(wheel.path, "rb") as file:
            while chunk := await file.read(CHUNK_BYTES):
                yield chunk
        yield b"\0" * (-wheel.size_bytes % _TAR_BLOCK_BYTES)
    yield b"\0" * (2 * _TAR_BLOCK_BYTES)


def _failed(host: Host, what: str, said: str) -> CommandFailed:
    return CommandFailed(
        f"On {host.name}, {what} failed: {said.rstrip('.')}.",
        remedy="`--dry-run` shows the commands, to try one by hand; doing it again goes on "
        "where this ended.",
    )
