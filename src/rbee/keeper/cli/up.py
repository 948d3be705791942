"""``rbee up`` and ``rbee down``: the whole colony of this machine at once.

Queen and hive are daemons of their own either way. In the foreground ``up``
stays, says what changes, and Ctrl+C stops what it started; with ``--detach`` it
returns and ``rbee down`` is the way to stop.
"""

import os
import sys
import webbrowser
from typing import Annotated

import anyio
import anyio.to_thread
from cyclopts import App, Parameter

from rbee.client.joining import JoiningClient
from rbee.contracts.aliases import STARTER
from rbee.contracts.jobs import ModelDownload, ModelList
from rbee.contracts.models import Model
from rbee.errors import RbeeError
from rbee.foundation import config
from rbee.foundation.addresses import is_loopback
from rbee.keeper import daemons
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import JsonFlag
from rbee.keeper.colony import Session, close_session, open_session, stop_like_ctrl_c
from rbee.keeper.glance import ask_glance, glance_text
from rbee.keeper.hive_door import data_of, hive_door, told_when_cancelled
from rbee.keeper.screen import Live, note, out, out_json
from rbee.keeper.window import has_display

up_app = App(
    name="up",
    help_epilogue=examples(
        "rbee up                       until Ctrl+C",
        "rbee up -d                    in the background; `rbee down` stops it",
        "rbee up -d --bind 0.0.0.0     for other machines too: with TLS, and a key",
    ),
)
down_app = App(name="down", help_epilogue=examples("rbee down"))

_LOOK_EVERY_S = 2.0  # people read one line in that time
_CONTINUED = " \\\n             "  # the shell's line goes on below, inside 80 columns
_OTHERS = """
  others   {url}/ from other machines, with a key; browsers warn of
           the colony's own certificate, `rbee login {url}` learns it
  let in   rbee hive token (a machine) · rbee keys create NAME (a person, a program)"""


@up_app.default
async def up(
    *,
    detach: Annotated[
        bool,
        Parameter(name=["--detach", "-d"], help="Return when everything runs.", show_default=False),
    ] = False,
    bind: Annotated[
        str | None, Parameter(help="Address for the queen; where others reach it, a key is made.")
    ] = None,
    no_browser: Annotated[
        bool, Parameter(help="Do not open the console.", show_default=False)
    ] = False,
) -> None:
    """Start a colony on this machine: queen, hive, a small first model; open its console."""
    stop_like_ctrl_c()
    flags = () if bind is None else ("--bind", bind)
    staying = False
    if bind is not None:
        await _keyed(bind)
    with Live() as live:
        session = await open_session(None, live, queen_flags=flags, here=True)
        try:
            if bind is not None and "queen" not in session.started:
                note("note: the queen ran already, so --bind changes nothing; `rbee down` first.")
            models = await _first_model(live)
            live.clear()
            names = [model.id for model in models]
            out(summary_text(session, names, elsewhere=await _elsewhere(session)))
            if not no_browser:
                await _open_console(session)
            staying = detach or not session.started
            if not staying:
                note("\nCtrl+C stops it.")
                await _watch(session, live)
        except anyio.get_cancelled_exc_class():
            if staying or not session.started:
                raise
            live.clear()
            # Ctrl+C is how a foreground colony is meant to end: a clean stop, exit code 0.
        finally:
            if not staying:
                live.clear()
                await _stop_started(session)


async def _open_console(session: Session) -> None:
    """A tab for whoever sits here: not for scripts, and not where there is no display."""
    if sys.stdout.isatty() and has_display(os.environ) and not os.environ.get("CI"):
        await anyio.to_thread.run_sync(webbrowser.open, f"{session.queen.url}/")


async def _keyed(bind: str) -> None:
    """Where others can reach the queen she wants a key: make one, once, and say so."""
    if is_loopback(bind) or config.colony_key() or await daemons.find("queen") is not None:
        return
    path = config.make_colony_key()
    note(f"Made a key for this colony: {path}. It opens everything: keep it to yourself,")
    note("and make others their own (`rbee keys create NAME`).")


@down_app.default
async def down(*, json: JsonFlag = False) -> None:
    """Stop the colony on this machine: the hive with its workers, then the queen."""
    stopped: dict[str, bool] = {}
    with Live(quiet=json) as live:
        for room in ("hive", "queen"):
            live.say(f"stopping the {room}")
            stopped[room] = await daemons.stop(room, live.say)
    if json:
        out_json(stopped)
    elif any(stopped.values()):
        note(f"Stopped: {', '.join(room for room, was_there in stopped.items() if was_there)}.")
    else:
        note("Nothing was running here.")


async def _first_model(live: Live) -> list[Model]:
    """The models that are here; the starter is fetched when there is none."""
    async with hive_door(hive=None, hive_id=None, queen=None) as door:
        listed = await door.run(ModelList(), Live(quiet=True))
        models = [
            model
            for model in data_of(listed, "model_list_entry", Model)
            if model.status == "available"
        ]
        if models:
            return models
        with told_when_cancelled("Cancelled. What has arrived is kept: `rbee up` goes on from it."):
            try:
                events = await door.run(
                    ModelDownload(model=STARTER), live, what="downloading the starter model"
                )
            except RbeeError as error:
                # A colony without a model is still a colony: say it and go on.
                live.clear()
                note(f"note: the starter model could not be fetched: {error.message}")
                note(f"  → {error.remedy}")
                return []
        return data_of(events, "model_download_complete", Model)


async def _elsewhere(session: Session) -> str | None:
    """Where other machines reach the queen; None: nowhere, or she does not say."""
    try:
        async with session.client() as client:
            urls = (await JoiningClient(client.transport).requests()).urls
    except RbeeError:
        return None  # an address more or less is no reason to fail
    return urls[0] if urls else None


def summary_text(session: Session, models: list[str], *, elsewhere: str | None = None) -> str:
    """What runs, how to call it, what to type next; ``elsewhere`` is her address for others."""
    url = session.queen.url
    model = models[0] if models else STARTER
    key = "YOUR_KEY" if config.colony_key() else "none"
    auth = f'{_CONTINUED}-H "Authorization: Bearer {_spoken_key()}"' if config.colony_key() else ""
    state = "is up" if session.started else "runs already"
    others = "" if elsewhere is None else _OTHERS.format(url=elsewhere)
    return f"""\
The colony {state} at {url}
  console  {url}/{others}
  models   {", ".join(models) or "none yet"}

  curl     curl {url}/v1/chat/completions{auth}{_CONTINUED}-H "Content-Type: application/json" \\
             -d '{{"model": "{model}",
                  "messages": [{{"role": "user", "content": "Say hi"}}]}}'
  python   OpenAI(base_url="{url}/v1", api_key="{key}")

  next     rbee keeper · rbee chat · rbee top · rbee --help
  stop     rbee down"""


def _spoken_key() -> str:
    """How a shell says the colony's key without showing it."""
    if os.environ.get(config.COLONY_KEY_VARIABLE, "").strip():
        return f"${config.COLONY_KEY_VARIABLE}"
    return f"$(cat {config.colony_key_file()})"


async def _watch(session: Session, live: Live) -> None:
    """Say what changes, until cancelled; return when the queen is gone."""
    async with session.client() as client:
        while await daemons.find("queen") is not None:
            try:
                live.say(glance_text(await ask_glance(client)))
            except RbeeError as error:
                live.say(error.message)
            await anyio.sleep(_LOOK_EVERY_S)
    note("The queen has been stopped from elsewhere.")


async def _stop_started(session: Session) -> None:
    if session.started:
        await close_session(session, told=True)
        note("stopped.")
