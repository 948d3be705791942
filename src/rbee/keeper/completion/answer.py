"""``rbee __complete``: one line for each word that may follow, with what it means after a tab."""

from collections.abc import Callable, Sequence

import anyio
from cyclopts import App

from rbee.errors import RbeeError
from rbee.keeper.completion.tree import kept_tree
from rbee.keeper.completion.words import Wanted, wanted
from rbee.keeper.screen import out


def answer(typed: Sequence[str], build: Callable[[], App]) -> int:
    """Print what may stand in the place of the last word; the exit code is always 0."""
    typed = list(typed)
    found = wanted(kept_tree(build), typed)
    for word, about in sorted(_all(found, typed).items()):
        if word.startswith(found.begun):
            out(f"{found.lead}{word}\t{about}")
    return 0


def _all(found: Wanted, typed: list[str]) -> dict[str, str]:
    if not found.kind:
        return found.words
    from rbee.keeper.completion.names import colony_names  # noqa: PLC0415  loads the HTTP client

    try:
        return found.words | anyio.run(colony_names, found.kind, _queen(typed))
    except RbeeError:
        return found.words  # an address or a setting is wrong: the command itself will say it


def _queen(typed: list[str]) -> str | None:
    """The queen that was named on the line, so that it is her names that are shown."""
    for word, following in zip(typed, [*typed[1:-1], ""], strict=False):
        if word == "--queen" and following:
            return following
        if word.startswith("--queen="):
            return word.partition("=")[2] or None
    return None
