"""``rbee hive``: start, stop and look at the hive of this machine.

``rbee hive run`` (the foreground) is added by the front door, because only it
may know the room. Hives on other machines come with a later version.
"""

from typing import Annotated

from cyclopts import App, Parameter

from rbee import __version__
from rbee.errors import NotYet
from rbee.keeper.cli.daemon_commands import show_status, start_daemon, stop_daemon
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.later import later
from rbee.keeper.cli.options import JsonFlag
from rbee.keeper.colony import queen_for_hive
from rbee.keeper.urls import as_url

hive_app = App(name="hive", help_epilogue=examples("rbee hive start", "rbee hive status"))
for _name in ("install", "uninstall", "join", "approve"):
    hive_app.command(later, name=_name, show=False)

HostFlag = Annotated[
    str | None, Parameter(name="--host", show=False, help="A machine that is reached over SSH.")
]


@hive_app.command(
    help_epilogue=examples("rbee hive start", "rbee hive start --queen http://gaming-pc:7833")
)
async def start(
    *,
    queen: Annotated[str | None, Parameter(help="The queen to join.")] = None,
    bind: Annotated[str | None, Parameter(help="Address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on.")] = None,
    host: HostFlag = None,
    json: JsonFlag = False,
) -> None:
    """Start the hive in the background; does nothing when it runs."""
    _only_here(host)
    flags = {
        "--bind": bind,
        "--port": port,
        "--queen": as_url(queen, param="--queen") if queen else queen_for_hive(),
    }
    await start_daemon("hive", flags, json=json)


@hive_app.command(help_epilogue=examples("rbee hive stop", "rbee hive stop --keep-workers"))
async def stop(
    *,
    keep_workers: Annotated[
        bool,
        Parameter(
            help="Leave the workers running for the next hive, for ten minutes.", show_default=False
        ),
    ] = False,
    host: HostFlag = None,
    json: JsonFlag = False,
) -> None:
    """Stop the hive and its workers; running requests finish first."""
    _only_here(host)
    await stop_daemon("hive", json=json, keep_workers=keep_workers)


@hive_app.command(help_epilogue=examples("rbee hive status", "rbee hive status --json"))
async def status(*, host: HostFlag = None, json: JsonFlag = False) -> int:
    """Whether the hive runs here; exit code 3 when it does not."""
    _only_here(host)
    return await show_status("hive", json=json)


def _only_here(host: str | None) -> None:
    if host is not None:
        raise NotYet(
            f"Version {__version__} cannot reach other machines (`--host {host}`) yet.",
            remedy="Run the command on that machine.",
        )
