"""``rbee top``: the colony live in a terminal."""

import sys

from cyclopts import App

from rbee.errors import InvalidRequest
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import QueenFlag
from rbee.keeper.clients import queen_client

top_app = App(
    name="top",
    help_epilogue=examples("rbee top", "rbee top --queen gaming-pc:7833")
    + "\n\nIn it, `?` shows the keys: 1-5 tabs, / filter, s sort, enter details, l log, q quit.",
)


@top_app.default
async def top(*, queen: QueenFlag = None) -> None:
    """Watch the colony live: hives, GPUs, workers, models, requests."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidRequest(
            "`rbee top` draws on a terminal, and this is none.",
            remedy="`rbee status` (`--json` for programs) prints the colony once.",
        )
    from rbee.keeper.top.app import TopApp  # noqa: PLC0415  loads Textual: 0.2 s

    async with queen_client(queen) as client:
        await client.health()  # a queen that is not there is said at once, not on a screen
        app = TopApp(client)
        await app.run_async()
    if app.failure is not None:
        raise app.failure
