"""``rbee hive install|upgrade|uninstall``, and ``--host`` of start, stop and status.

Without ``--host`` it is this machine, with the same plan. The rules: ``--dry-run``
looks and shows, and changes nothing; a machine that is met for the first time is
only trusted when the operator says so.
"""

import sys
from typing import Annotated, TypeAlias

import msgspec
from cyclopts import Parameter

from rbee import __version__
from rbee.errors import InvalidRequest
from rbee.keeper import hive_install
from rbee.keeper.cli.daemon_commands import EXIT_NOT_RUNNING
from rbee.keeper.cli.options import HostFlag, JsonFlag
from rbee.keeper.hive_install import AskedQueen
from rbee.keeper.screen import Live, note, out, out_json
from rbee.keeper.units import duration_text
from rbee.remote import carry, installing, plan, starting
from rbee.remote.fitness import Wish as UnitWish
from rbee.remote.host import Host
from rbee.remote.installing import Wish, machine
from rbee.remote.layout import Keeper
from rbee.remote.trust import Trust
from rbee.remote.wheels import Source

FingerprintFlag: TypeAlias = Annotated[
    str | None,
    Parameter(name="--fingerprint", help="Accept a new machine that shows exactly this key."),
]
AcceptFlag: TypeAlias = Annotated[
    bool,
    Parameter(
        name="--accept-new-host", help="Accept any key of a new machine.", show_default=False
    ),
]
PrefixFlag: TypeAlias = Annotated[
    str | None,
    Parameter(name="--prefix", help="Where it is installed there; else ~/.local/lib/rbee."),
]
QueenWish: TypeAlias = Annotated[
    str | None,
    Parameter(name="--queen", help="The queen's address, as that machine reaches it too."),
]
PythonFlag: TypeAlias = Annotated[
    str | None, Parameter(name="--python", help="The Python to take there, 3.11 or newer.")
]
WheelsFlag: TypeAlias = Annotated[
    Source,
    Parameter(
        name="--wheels",
        help="Packages: all from here, or from that machine's index; auto takes what fits from here.",
    ),
]
DryFlag: TypeAlias = Annotated[
    bool, Parameter(name="--dry-run", help="Show every command, run none.", show_default=False)
]
AnyVersionFlag: TypeAlias = Annotated[
    bool,
    Parameter(name="--any-version", help="Go on where versions differ.", show_default=False),
]


class HostStatus(msgspec.Struct, kw_only=True):
    """``rbee hive status --host --json``."""

    host: str
    installed: bool
    running: bool = False
    version: str | None = None
    build: str | None = None
    keeper: Keeper | None = None
    hive_id: str | None = None
    queen_url: str | None = None
    uptime_s: float | None = None


async def install(
    *,
    host: HostFlag = None,
    queen: QueenWish = None,
    unit: Annotated[
        UnitWish, Parameter(help="Who starts the hive there; auto takes the first that works.")
    ] = "auto",
    setting: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            help="A setting of the hive: `--set labels=gpu` (repeatable).",
            show_default=False,
        ),
    ] = (),
    prefix: PrefixFlag = None,
    python: PythonFlag = None,
    wheels: WheelsFlag = "auto",
    fingerprint: FingerprintFlag = None,
    accept_new_host: AcceptFlag = False,
    any_version: AnyVersionFlag = False,
    dry_run: DryFlag = False,
    json: JsonFlag = False,
) -> None:
    """Install a hive as a service, here or on another machine; done when it has joined."""
    asked = AskedQueen(queen)
    wish = Wish(
        queen_url=asked.named,
        prefix=prefix,
        python=python,
        unit=unit,
        source=wheels,
        settings=_settings(setting),
        any_version=any_version,
    )
    async with machine(host, _trust(fingerprint, any_new=accept_new_host)) as there:
        await _install(there, asked, wish, dry_run=dry_run, json=json, upgrade=False)


async def upgrade(
    *,
    host: HostFlag = None,
    queen: QueenWish = None,
    prefix: PrefixFlag = None,
    python: PythonFlag = None,
    wheels: WheelsFlag = "auto",
    fingerprint: FingerprintFlag = None,
    accept_new_host: AcceptFlag = False,
    any_version: AnyVersionFlag = False,
    dry_run: DryFlag = False,
    json: JsonFlag = False,
) -> None:
    """Bring an installed hive to this program's version; back to the old one if it fails."""
    wish = Wish(prefix=prefix, python=python, source=wheels, any_version=any_version)
    async with machine(host, _trust(fingerprint, any_new=accept_new_host)) as there:
        await _install(there, AskedQueen(queen), wish, dry_run=dry_run, json=json, upgrade=True)


async def uninstall(
    *,
    host: HostFlag = None,
    purge: Annotated[
        bool, Parameter(help="Remove its models, state and keys as well.", show_default=False)
    ] = False,
    prefix: PrefixFlag = None,
    fingerprint: FingerprintFlag = None,
    accept_new_host: AcceptFlag = False,
    dry_run: DryFlag = False,
    json: JsonFlag = False,
) -> None:
    """Stop an installed hive and remove it; its models stay."""
    async with machine(host, _trust(fingerprint, any_new=accept_new_host)) as there:
        place = await carry.look(there, prefix=prefix)
        installed = carry.must_be_installed(place, there.name)
        steps = plan.uninstall_plan(place.layout, place.facts, installed, purge=purge)
        if dry_run:
            _show([step.shown() for step in steps], there, json=json)
            return
        with Live() as live:
            await carry.carry(there, steps, live.say)
        if json:
            out_json({"host": there.name, "uninstalled": True})
        else:
            note(f"The hive on {there.name} is gone{'' if purge else '; its models stayed'}.")


async def start_there(host: str, *, json: bool) -> None:
    """Start an installed hive of another machine.

    Raises:
        NotInstalled: there is none.
    """
    async with machine(host, _trust(None, any_new=False)) as there:
        place = await carry.look(there)
        installed = carry.must_be_installed(place, there.name)
        sudo = starting.sudo_prefix(place.facts.sudo)
        with Live() as live:
            await carry.carry(
                there, starting.start_steps(place.layout, installed.keeper, sudo), live.say
            )
        hive = await carry.ask_hive(there, place.layout)
        if json:
            out_json(_status(there, place, hive))
        else:
            note(f"The hive {hive.hive_id} runs on {there.name} (pid {hive.pid}).")
        _note_skew(there, installed.version)


async def stop_there(host: str, *, json: bool, keep_workers: bool) -> None:
    """Stop an installed hive of another machine.

    Raises:
        NotInstalled: there is none.
    """
    async with machine(host, _trust(None, any_new=False)) as there:
        place = await carry.look(there)
        installed = carry.must_be_installed(place, there.name)
        sudo = starting.sudo_prefix(place.facts.sudo)
        steps = starting.stop_steps(place.layout, installed.keeper, sudo, keep_workers=keep_workers)
        with Live() as live:
            await carry.carry(there, steps, live.say)
        if json:
            out_json({"host": there.name, "stopped": True})
        else:
            note(f"The hive on {there.name} has stopped.")


async def show_there(host: str, *, json: bool) -> int:
    """Print the state of a hive on another machine; returns the exit code.

    Raises:
        RemoteError: the machine cannot be looked at.
    """
    async with machine(host, _trust(None, any_new=False)) as there:
        place = await carry.look(there)
        installed = place.installed
        hive = await carry.ask_hive(there, place.layout) if installed else None
        status = _status(there, place, hive)
        if json:
            out_json(status)
        else:
            out(_status_text(status))
            if installed is not None:
                _note_skew(there, installed.version)
        return 0 if status.running else EXIT_NOT_RUNNING


async def _install(
    there: Host, queen: AskedQueen, wish: Wish, *, dry_run: bool, json: bool, upgrade: bool
) -> None:
    prepare = installing.prepare_upgrade if upgrade else installing.prepare_install
    with Live(quiet=dry_run) as live:
        prepared = await prepare(there, queen, wish, live.say, dry_run=dry_run)
        live.clear()
        if dry_run:
            _show(prepared.plan.shown(), there, json=json)
            return
        for line in prepared.notes:
            note(f"note: {line}")
        outcome = await installing.install(there, queen, prepared, live.say)
    if json:
        out_json(outcome)
    else:
        note(hive_install.installed_text(outcome))


def _show(commands: list[str], there: Host, *, json: bool) -> None:
    if json:
        out_json({"host": there.name, "commands": commands})
    else:
        out("\n".join(commands))


def _trust(fingerprint: str | None, *, any_new: bool) -> Trust:
    asked = sys.stdin.isatty() and sys.stderr.isatty()
    return Trust(fingerprint=fingerprint, accept_new=any_new, ask=_ask if asked else None)


def _ask(name: str, fingerprint: str) -> bool:
    """Show a new machine's key; ``yes`` or the fingerprint itself accepts it."""
    note(f"{name} is not known here yet. Its key is\n  {fingerprint}")
    note("Compare it with what that machine's own console shows. Accept it? (yes/no) ", end="")
    answer = sys.stdin.readline().strip()
    return answer.lower() == "yes" or answer == fingerprint


def _settings(words: tuple[str, ...]) -> dict[str, str]:
    """``name=value`` of ``[hive]`` as its variable; ``RBEE_…=value`` is taken as it is."""
    found: dict[str, str] = {}
    for text in words:
        name, equals, value = text.partition("=")
        if not equals or not name.replace("_", "").isalnum():
            raise InvalidRequest(
                f"--set {text!r} is no setting.",
                remedy="Write it like `--set labels=gpu`; README.md lists the settings.",
                param="--set",
            )
        found[name if name.startswith("RBEE_") else f"RBEE_HIVE_{name.upper()}"] = value
    return found


def _status(there: Host, place: carry.Place, hive: carry.HiveThere | None) -> HostStatus:
    installed = place.installed
    if installed is None or hive is None:
        return HostStatus(host=there.name, installed=False)
    return HostStatus(
        host=there.name,
        installed=True,
        running=hive.running,
        version=hive.version or installed.version,
        build=installed.build,
        keeper=installed.keeper,
        hive_id=hive.hive_id,
        queen_url=hive.queen_url or installed.queen_url,
        uptime_s=hive.uptime_s,
    )


def _status_text(status: HostStatus) -> str:
    if not status.installed:
        return f"No hive is installed on {status.host}."
    if not status.running:
        return f"The hive on {status.host} is installed ({status.version}) and does not run."
    parts = [f"version {status.version}", f"queen {status.queen_url}"]
    if status.uptime_s is not None:
        parts.insert(0, f"up {duration_text(status.uptime_s)}")
    return f"The hive {status.hive_id} runs on {status.host} ({', '.join(parts)})."


def _note_skew(there: Host, version: str) -> None:
    if version != __version__:
        note(
            f"note: {there.name} has version {version}, this program is {__version__}: "
            f"`rbee hive upgrade --host {there.name}` brings them together."
        )
