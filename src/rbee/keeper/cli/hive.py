"""``rbee hive``: start, stop and look at the hive of this machine, or of another one.

``rbee hive run`` (the foreground) is added by the front door, because only it
may know the room. With ``--host``, and for installing, ``hive_host`` goes on.
"""

from typing import Annotated

from cyclopts import App, Parameter

from rbee.keeper.cli.daemon_commands import show_status, start_daemon, stop_daemon
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import HostFlag, JsonFlag
from rbee.keeper.colony import queen_for_hive
from rbee.keeper.urls import as_url

hive_app = App(name="hive", help_epilogue=examples("rbee hive start", "rbee hive status"))
_JOINING = "rbee.keeper.cli.hive_joining"
_HOST = "rbee.keeper.cli.hive_host"
for _where, _what, *_lines in (
    (
        f"{_HOST}:install",
        "Install a hive as a service, here or on another machine by SSH.",
        "rbee hive install --host gaming-pc",
        "rbee hive install --host me@192.168.1.7 --dry-run",
        "rbee hive install --host far --queen https://queen.lan:7833 --set labels=gpu",
    ),
    (
        f"{_HOST}:upgrade",
        "Bring an installed hive to this program's version.",
        "rbee hive upgrade --host gaming-pc",
    ),
    (
        f"{_HOST}:uninstall",
        "Stop an installed hive and remove it.",
        "rbee hive uninstall --host gaming-pc --purge",
    ),
    (
        f"{_JOINING}:join",
        "Make this machine's hive a member of a colony.",
        "rbee hive join https://gaming-pc:7833 --token rbee1.…",
        "rbee hive join https://gaming-pc:7833     # asks; an operator approves",
        "rbee hive join                            # looks for a queen on this network",
    ),
    (
        f"{_JOINING}:token",
        "Make a token with which one machine may join, and show the line to paste there.",
        "rbee hive token",
        "rbee hive token --hive-id gaming-pc --expires 15m",
    ),
    (f"{_JOINING}:pending", "The machines that wait to be let in.", "rbee hive pending"),
    (f"{_JOINING}:approve", "Let a waiting machine in.", "rbee hive approve gaming-pc"),
    (f"{_JOINING}:reject", "Send a waiting machine away.", "rbee hive reject gaming-pc"),
    (f"{_JOINING}:revoke", "Shut a hive out of the colony, at once.", "rbee hive revoke gaming-pc"),
    (
        f"{_JOINING}:list_hives",
        "The hives of the colony.",
        "rbee hive list",
        "rbee hive list --json",
    ),
):
    hive_app.command(  # by name: they load cryptography, which the others do not need
        _where,
        name=_where.rpartition(":")[2].removesuffix("_hives"),
        help=_what,
        help_epilogue=examples(*_lines),
    )


@hive_app.command(
    help_epilogue=examples("rbee hive start", "rbee hive start --queen http://gaming-pc:7833")
)
async def start(
    *,
    queen: Annotated[str | None, Parameter(help="The queen to join.")] = None,
    bind: Annotated[str | None, Parameter(help="Address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on.")] = None,
    outbound_only: Annotated[
        bool,
        Parameter(
            help="Listen nowhere; everything goes over the link to the queen.",
            negative="",
            show_default=False,
        ),
    ] = False,
    host: HostFlag = None,
    json: JsonFlag = False,
) -> None:
    """Start the hive in the background; does nothing when it runs."""
    if host is not None:
        from rbee.keeper.cli import hive_host  # noqa: PLC0415  it loads cryptography: 0.2 s

        await hive_host.start_there(host, json=json)
        return
    flags = {
        "--bind": bind,
        "--port": port,
        "--outbound-only": outbound_only,
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
    if host is not None:
        from rbee.keeper.cli import hive_host  # noqa: PLC0415  it loads cryptography: 0.2 s

        await hive_host.stop_there(host, json=json, keep_workers=keep_workers)
        return
    await stop_daemon("hive", json=json, keep_workers=keep_workers)


@hive_app.command(help_epilogue=examples("rbee hive status", "rbee hive status --json"))
async def status(*, host: HostFlag = None, json: JsonFlag = False) -> int:
    """Whether the hive runs here; exit code 3 when it does not."""
    if host is not None:
        from rbee.keeper.cli import hive_host  # noqa: PLC0415  it loads cryptography: 0.2 s

        return await hive_host.show_there(host, json=json)
    return await show_status("hive", json=json)
