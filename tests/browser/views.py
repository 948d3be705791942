"""What there is to see in the console: its pages, and what opens on them when one clicks.

``screenshots.py`` takes each of them in every theme and width. A view is an address and the
steps that lead from there to what is to be seen; a step is what a user does, and where.
"""

from typing import Final, Literal, NamedTuple

from rbee.testing.talker import MODEL as TALKER


class Step(NamedTuple):
    """Something a user does. ``where`` is a Playwright selector, for a press the keys."""

    does: Literal["click", "press", "fill", "see", "miss"]
    where: str
    text: str = ""


class View(NamedTuple):
    """An address of the console and the way on from there. ``only``: at that width alone."""

    path: str
    steps: tuple[Step, ...] = ()
    only: str | None = None


def click(where: str) -> Step:
    """Click the first thing that ``where`` selects."""
    return Step("click", where)


def press(keys: str) -> Step:
    """Press keys, wherever the focus is."""
    return Step("press", keys)


_ROW: Final = "main [data-row]"  # of a table, or its card on a phone
_DIALOG: Final = Step("see", "[role=dialog]")
_ASK: Final = (
    Step("fill", "textarea", "How do bees find their way home?"),
    press("Enter"),
    Step("see", "button[aria-label=Stop]"),
    Step("miss", "button[aria-label=Stop]"),
)

PAGES: Final = {
    "overview": View("/"),
    "hives": View("/hives"),
    "hives-add": View("/hives?add=token"),
    "workers": View("/workers"),
    "models": View("/models"),
    "chat": View("/chat"),
    "requests": View("/requests"),
    "events": View("/events"),
    "side-by-side": View("/side-by-side"),
    "keys": View("/keys"),
    "settings": View("/settings"),
}
"""Each page as one comes to it."""

OPENED: Final = {
    "hive-sheet": View("/hives", (click(_ROW), _DIALOG)),
    "hives-map": View("/hives?view=map"),
    "add-by-ssh": View("/hives?add=ssh"),
    "add-by-approval": View("/hives?add=approve"),
    "worker-sheet": View("/workers", (click(_ROW), _DIALOG)),
    "worker-log": View("/workers", (click(_ROW), _DIALOG, click("[role=tab] >> text=Log"))),
    "worker-start": View("/workers?start=new", (_DIALOG,)),
    "worker-stop": View("/workers", (click(f"{_ROW} button[aria-label^=Stop]"),)),
    "model-sheet": View("/models", (click("main button[role=rowheader]"), _DIALOG)),
    "models-find": View("/models?view=find"),
    "models-downloads": View("/models?view=downloads"),
    "chat-models": View("/chat", (click("button[aria-label^='Model']"),)),
    "chat-settings": View("/chat", (click("button[aria-label='Instructions and settings']"),)),
    "request-sheet": View("/requests?show=all", (click(_ROW), _DIALOG)),
    "log": View("/events?tab=logs"),
    "key-new": View("/keys?new=1", (_DIALOG,)),
    "palette": View("/", (press("Control+k"), _DIALOG)),
    "palette-found": View("/", (press("Control+k"), Step("fill", "[cmdk-input]", "qw"))),
    "shortcuts": View("/", (press("?"), _DIALOG)),
    "more": View("/", (click("nav button >> text=More"), _DIALOG), only="390"),
}
"""Sheets, dialogs and second views: what opens on a page."""

TALK: Final = {
    "chat-answer": View(f"/chat?model={TALKER}", _ASK),
    "chat-why": View(
        f"/chat?model={TALKER}", (*_ASK, click("button[title='Why this worker']"), _DIALOG)
    ),
    "chat-compare": View(
        f"/chat?model={TALKER}", (click("button[aria-label^=Compare]"), *_ASK), only="1440"
    ),
}
"""What a conversation looks like; wants a worker that talks."""

LOCKED: Final = {"sign-in": View("/")}
"""What one sees who has not signed in."""

OWN: Final = {"hive-own": View("/"), "hive-log": View("/", (click("text=Its log"), _DIALOG))}
"""A hive's own page, at the hive."""
