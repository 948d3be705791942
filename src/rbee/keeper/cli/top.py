"""``rbee top``: the colony live in a terminal."""

from cyclopts import App

from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import QueenFlag

top_app = App(name="top", help_epilogue=examples("rbee top", "rbee top --queen gaming-pc:7833"))


@top_app.default
def top(*, queen: QueenFlag = None) -> None:
    """Watch the colony live: hives, GPUs, workers, models, requests."""
