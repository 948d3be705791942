"""``rbee logs``: what the queen, the hives and the workers wrote, here or elsewhere."""

from typing import Annotated

from cyclopts import App, Parameter

from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import FollowFlag, HiveIdFlag, QueenFlag
from rbee.keeper.far_logs import show_logs
from rbee.keeper.log_files import LINES_SHOWN

logs_app = App(
    name="logs",
    help_epilogue=examples(
        "rbee logs",
        "rbee logs hive -f",
        "rbee logs w-1a2b -n 200",
        "rbee logs hive --hive-id gaming-pc        of another machine, through the queen",
    ),
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
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Show the log of the queen, a hive or a worker, of this machine or another one."""
    await show_logs(who, lines=lines, follow=follow, hive_id=hive_id, queen=queen)
