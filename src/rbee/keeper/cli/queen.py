"""``rbee queen``: start, stop and look at the queen of this machine.

``rbee queen run`` (the foreground) is added by the front door, because only it
may know the room.
"""

from typing import Annotated

from cyclopts import App, Parameter

from rbee.keeper.cli.daemon_commands import show_status, start_daemon, stop_daemon
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import JsonFlag

queen_app = App(name="queen", help_epilogue=examples("rbee queen start", "rbee queen status"))


@queen_app.command(
    help_epilogue=examples("rbee queen start", "RBEE_API_KEY=... rbee queen start --bind 0.0.0.0")
)
async def start(
    *,
    bind: Annotated[str | None, Parameter(help="Address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on.")] = None,
    json: JsonFlag = False,
) -> None:
    """Start the queen in the background; does nothing when she runs."""
    await start_daemon("queen", {"--bind": bind, "--port": port}, json=json)


@queen_app.command(help_epilogue=examples("rbee queen stop"))
async def stop(*, json: JsonFlag = False) -> None:
    """Stop the queen; hives and their workers stay."""
    await stop_daemon("queen", json=json)


@queen_app.command(help_epilogue=examples("rbee queen status", "rbee queen status --json"))
async def status(*, json: JsonFlag = False) -> int:
    """Whether the queen runs here; exit code 3 when she does not."""
    return await show_status("queen", json=json)
