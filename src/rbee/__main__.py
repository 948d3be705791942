"""The front door: the only file that knows every room.

``rbee queen run`` and ``rbee hive run`` become those rooms in this process;
everything else goes to ``keeper.cli``. The rule: no traceback reaches a user.
An error is two lines on stderr, what is wrong and what to do; ``RBEE_DEBUG=1``
shows where it came from. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not
running (``queen status``, ``hive status``), 130 Ctrl+C, 141 the reader left.
"""

import difflib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast

from cyclopts import (
    App,
    CycloptsError,
    MissingArgumentError,
    Parameter,
    UnknownCommandError,
    UnusedCliTokensError,
)

from rbee.errors import InvalidRequest, RbeeError, StorageError
from rbee.keeper.cli.frame import examples, make_app
from rbee.keeper.completion.answer import answer
from rbee.keeper.problem_text import render_problem
from rbee.keeper.screen import note
from rbee.keeper.urls import as_url

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count
EXIT_PIPE_CLOSED = 141  # 128 + SIGPIPE
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_COMPLETE = "__complete"  # what the shells' scripts call; no command of people

BindFlag = Annotated[
    str | None, Parameter(name="--bind", help="Address to listen on; not loopback needs a key.")
]
PortFlag = Annotated[int | None, Parameter(name="--port", help="Port to listen on; 0 picks one.")]


def main() -> None:
    """Run what was typed and leave with its exit code; ``rbee-keeper`` alone opens the window."""
    window = Path(sys.argv[0]).stem == "rbee-keeper" and len(sys.argv) == 1
    sys.exit(run(["keeper"] if window else sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    try:
        result = _done(words)
        sys.stdout.flush()
    except CycloptsError as error:
        return _usage(error, words)
    except RbeeError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has gone; the interpreter's own flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED
    except Exception as error:  # noqa: BLE001  the process's boundary: a message, no traceback
        return _failed(_cause(error))
    return result if isinstance(result, int) else 0


def _failed(error: Exception) -> int:
    """Say what went wrong; what nobody foresaw is said to be a fault of ours."""
    _show_origin()
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        where = f" at {error.filename}" if error.filename else ""
        error = StorageError(
            f"There is no room left on the disk{where}.", remedy="Free some space and try again."
        )
    if isinstance(error, RbeeError):
        note(render_problem(error))
        return EXIT_USAGE if isinstance(error, InvalidRequest) else EXIT_FAILED
    what = " ".join(str(error).split())
    note(render_problem(RbeeError(f"Unforeseen {type(error).__name__}: {what}")))
    note("    RBEE_DEBUG=1 shows where.")
    return EXIT_FAILED


def _cause(error: Exception) -> Exception:
    """The first error of a group of tasks: "1 sub-exception" tells nobody anything."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error


def _done(words: Sequence[str]) -> object:
    if words[:1] == [_COMPLETE]:
        return answer(words[1:], lambda: whole_app(("queen", "hive")))
    try:
        return whole_app(words[:1])(
            list(words), print_error=False, exit_on_error=False, result_action="return_value"
        )
    except SystemExit as left:
        if isinstance(left.__context__, BrokenPipeError):  # of a help text: Rich leaves with 1
            raise left.__context__ from None
        raise


def run_queen(*, bind: BindFlag = None, port: PortFlag = None) -> None:
    """Run the queen in the foreground; Ctrl+C ends her."""
    from rbee.foundation import config  # noqa: PLC0415  a room is loaded only where it runs
    from rbee.queen import app  # noqa: PLC0415  a room is loaded only where it runs
    from rbee.queen.settings import Settings  # noqa: PLC0415  a room is loaded only where it runs

    app.run(config.load("queen", Settings, {"bind": bind, "port": port}))


def run_hive(
    *,
    bind: BindFlag = None,
    port: PortFlag = None,
    queen: Annotated[str | None, Parameter(name="--queen", help="The queen to join.")] = None,
    outbound_only: Annotated[
        bool | None,
        Parameter(name="--outbound-only", negative="", help="Listen nowhere: use the link alone."),
    ] = None,
) -> None:
    """Run the hive in the foreground; Ctrl+C ends it and its workers."""
    from rbee.foundation import config  # noqa: PLC0415  a room is loaded only where it runs
    from rbee.hive import app  # noqa: PLC0415  a room is loaded only where it runs
    from rbee.hive.settings import HiveSettings  # noqa: PLC0415  a room is loaded only where it runs

    queen_url = None if queen is None else as_url(queen, param="--queen")
    flags = {"bind": bind, "port": port, "queen_url": queen_url, "outbound_only": outbound_only}
    app.run(config.load("hive", HiveSettings, flags))


def whole_app(nouns: Sequence[str]) -> App:
    """The command line, with ``run`` at those of ``nouns`` that are rooms.

    The keeper itself cannot know the rooms, and a noun that was not typed is not loaded.
    """
    app = make_app()
    for noun in nouns:
        room = {"queen": run_queen, "hive": run_hive}.get(noun)
        if room is not None and "run" not in app[noun]:
            app[noun].command(
                room,
                name="run",
                help_epilogue=examples(f"rbee {noun} run", f"RBEE_LOG_FORMAT=json rbee {noun} run"),
            )
    return app


def _usage(error: CycloptsError, words: Sequence[str]) -> int:
    """Say what was typed wrongly, and where the right way is written."""
    command = " ".join(["rbee", *(word for word in error.command_chain or () if word in words)])
    if isinstance(error, UnknownCommandError) and error.unused_tokens and error.app is not None:
        what = _unknown_command(error.unused_tokens[0], list(error.app))
    else:
        what = _misused(error, command)
    note(f"rbee: {what}")
    note(f"  → `{command} --help` shows how it is used.")
    return EXIT_USAGE


def _misused(error: CycloptsError, command: str) -> str:
    """What is too much or missing, in words that need no knowledge of parsers."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"`{command}` has no use for `{' '.join(error.unused_tokens)}`."
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        if error.keyword is not None:
            return f"{error.keyword} needs a value behind it."
        if not error.unused_tokens:  # else the flag may be misspelt, and the parser says so
            return f"`{command}` needs {error.argument.name}."
    return " ".join(str(error).split())


def _unknown_command(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, [name for name in known if name[0] != "-"], n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    return f"There is no command `{word}`.{hint}"


def _show_origin() -> None:
    if os.environ.get("RBEE_DEBUG"):
        traceback.print_exc()


if __name__ == "__main__":
    main()
