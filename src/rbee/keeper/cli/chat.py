"""``rbee chat``: talk with a model in the terminal.

Each turn is one streaming request to ``/v1/chat/completions`` with the whole
conversation, which lives in memory only. Ctrl+C stops the answer that is being
written (the connection is the request: leaving cancels it), Ctrl+D ends.
"""

import asyncio
import contextlib
import importlib
import sys
from contextlib import aclosing
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from rbee.contracts.aliases import STARTER
from rbee.errors import ModelNotFound, RbeeError
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import QueenFlag
from rbee.keeper.close_names import with_close_names
from rbee.keeper.colony import Session, close_session, open_session, stop_like_ctrl_c
from rbee.keeper.problem_text import render_problem
from rbee.keeper.screen import Live, note, out

chat_app = App(
    name="chat", help_epilogue=examples("rbee chat", "rbee chat llama-3-8b --system 'Be brief.'")
)

_HELP = """\
/reset        forget the conversation
/system TEXT  say how the model should behave, and start again
/quit         end (so does Ctrl+D); Ctrl+C stops an answer"""


@chat_app.default
def chat(
    model: Annotated[str, Parameter(help="Which model to talk with.")] = STARTER,
    /,
    *,
    system: Annotated[str | None, Parameter(help="How the model should behave.")] = None,
    keep: Annotated[
        bool, Parameter(help="Leave running what was started.", show_default=False)
    ] = False,
    queen: QueenFlag = None,
) -> None:
    """Talk with a model. Starts what is missing, and stops it at the end."""
    stop_like_ctrl_c()
    with Live() as live:
        session = asyncio.run(open_session(queen, live))
    try:
        Conversation(session, model, system).talk()
    finally:
        if not keep:
            asyncio.run(close_session(session))


class Conversation:
    """The turns so far, and the loop that adds to them."""

    def __init__(self, session: Session, model: str, system: str | None) -> None:
        self._session = session
        self._model = model
        self._messages: list[dict[str, str]] = []
        self._start_again(system)

    def talk(self) -> None:
        """Read lines until the end of input or ``/quit``."""
        if sys.stdin.isatty():
            # Being loaded is all it takes to give input() its line editing; Windows has none.
            with contextlib.suppress(ImportError):
                importlib.import_module("readline")
            note(f"Talking with {self._model}. /help lists the commands, Ctrl+D ends.")
        while True:
            try:
                line = input("> " if sys.stdin.isatty() else "").strip()
            except EOFError:
                return
            except KeyboardInterrupt:
                if not sys.stdin.isatty():
                    raise
                note("\n(Ctrl+D ends.)")
                continue
            if line in {"/quit", "/exit"}:
                return
            if line:
                self._take(line)

    def _take(self, line: str) -> None:
        command, _, rest = line.partition(" ")
        if command == "/reset":
            self._start_again(self._system)
            note("(The conversation starts again.)")
        elif command == "/system":
            self._start_again(rest.strip() or None)
            note("(The conversation starts again.)")
        elif command.startswith("/") and command != "/help":
            note(f"There is no command {command}.\n{_HELP}")
        elif command == "/help":
            note(_HELP)
        else:
            self._turn(line)

    def _turn(self, line: str) -> None:
        """One question and its answer; a failed turn leaves no trace in the conversation."""
        self._messages.append({"role": "user", "content": line})
        written: list[str] = []
        try:
            asyncio.run(self._answer(written))
        except KeyboardInterrupt:
            note("\n(stopped)")
        except ModelNotFound as error:
            note(render_problem(with_close_names(error, self._model, ())))
        except RbeeError as error:
            note(render_problem(error))
        if written:
            self._messages.append({"role": "assistant", "content": "".join(written)})
        else:
            self._messages.pop()

    async def _answer(self, written: list[str]) -> None:
        request = {"model": self._model, "messages": self._messages}
        with Live() as live:
            live.say("thinking")
            async with (
                self._session.client() as client,
                aclosing(client.chat(request)) as chunks,
            ):
                async for chunk in chunks:
                    text = text_of(chunk)
                    if text:
                        live.clear()
                        written.append(text)
                        out(text, end="")
        out("")

    def _start_again(self, system: str | None) -> None:
        self._system = system
        self._messages = [{"role": "system", "content": system}] if system else []


def text_of(chunk: dict[str, Any]) -> str:
    """The text in one of OpenAI's chunks; empty for role, usage and tool deltas."""
    try:
        read = msgspec.convert(chunk, _Chunk)
    except msgspec.ValidationError:
        return ""  # a chunk of another kind, such as an engine's own timings
    return "".join(choice.delta.content or "" for choice in read.choices[:1])


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = msgspec.field(default_factory=list[_Choice])
