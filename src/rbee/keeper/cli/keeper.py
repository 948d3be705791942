"""``rbee keeper``: the console in a window of its own."""

import os
import sys
from typing import Annotated

import anyio
from cyclopts import App, Parameter

from rbee.errors import StartError
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import QueenFlag
from rbee.keeper.colony import Session, close_session, open_session, stop_like_ctrl_c
from rbee.keeper.screen import Live, note, out
from rbee.keeper.window import has_display, open_window, until_closed, ways

keeper_app = App(
    name="keeper",
    help_epilogue=examples(
        "rbee keeper                     starts a colony where none runs",
        "rbee keeper --queen gaming-pc   another machine's colony",
        "rbee keeper --tab               a tab of your browser",
        "rbee keeper --url               only say where it is",
    )
    + "\n\nIt takes the first that is there: pywebview (`pip install 'rbee[desktop]'`),\n"
    "an app window of Chrome, Edge, Chromium or Brave, the default browser.",
)


@keeper_app.default
async def keeper(
    *,
    queen: QueenFlag = None,
    tab: Annotated[bool, Parameter(name="--tab", help="A tab of the default browser.")] = False,
    url: Annotated[
        bool, Parameter(name="--url", help="Print the console's address and open nothing.")
    ] = False,
) -> None:
    """Open the console: a window on the whole colony."""
    stop_like_ctrl_c()
    with Live() as live:
        session = await open_session(queen, live)
    try:
        if url:
            out(f"{session.queen.url}/")
            session.started.clear()  # who asks for the address wants it to be there
            return
        await _show(session, tab=tab)
    finally:
        await close_session(session, told=bool(session.started))


async def _show(session: Session, *, tab: bool) -> None:
    """Open the page, and stay as long as its window does."""
    address = f"{session.queen.url}/"
    if not has_display(os.environ):
        session.started.clear()
        raise StartError(
            "There is no display here to show a window on.",
            remedy=f"The console is at {address}. From another machine: "
            f"`ssh -L {address.rstrip('/').rpartition(':')[2]}:{address.split('//')[1].rstrip('/')}"
            f" {os.uname().nodename if sys.platform != 'win32' else 'HOST'}`, then open it there.",
        )
    found = ways(address, os.environ)
    opened = await open_window(found[-1:] if tab else found, address, os.environ)
    if opened is None:
        session.started.clear()
        raise StartError("No browser could be started.", remedy=f"Open {address} yourself.")
    for passed in opened.passed:
        note(passed)
    process = opened.process
    note(f"The console is open in {opened.way.said}: {address}")
    if process is None:
        if session.started:
            session.started.clear()
            note("The colony goes on; `rbee down` stops it.")
        return
    if session.started:
        note("Closing the window stops the colony that was started for it.")
    try:
        await until_closed(process)
    except anyio.get_cancelled_exc_class():
        note("closing the window")
        raise
