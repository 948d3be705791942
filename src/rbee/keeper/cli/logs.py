"""``rbee logs``: what the daemons and workers of this machine wrote."""

from typing import Annotated

from cyclopts import App, Parameter

from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import FollowFlag
from rbee.keeper.log_files import LINES_SHOWN, daemon_log, show_log, worker_log

logs_app = App(
    name="logs",
    help_epilogue=examples("rbee logs", "rbee logs hive -f", "rbee logs w-1a2b -n 200"),
)


@logs_app.default
async def logs(
    who: Annotated[str, Parameter(help="`queen`, `hive` or a worker's id.")] = "queen",
    /,
    *,
    follow: FollowFlag = False,
    lines: Annotated[int, Parameter(name=["--lines", "-n"], help="How many last lines.")] = (
        LINES_SHOWN
    ),
) -> None:
    """Show the log of the queen, the hive or a worker on this machine."""
    path = daemon_log(who) if who == "queen" or who == "hive" else worker_log(who)  # noqa: PLR1714  narrows the type
    await show_log(path, lines=lines, follow=follow)
