"""Run a maker's tool and return its words.

The environment is ours (``LC_ALL=C``: no decimal commas, no translated words)
and the time is bounded. Used by the probes that have no library to ask.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from rbee.hive.devices.probe import ProbeFailed

COMMAND_S: Final = 4.0  # under the inventory's 5 s, so that the reason names the command
OUTPUT_BYTES_MAX: Final = 4 * 1024 * 1024  # eight GPUs are 2 KiB; system_profiler writes 50
_REASON_LENGTH_MAX: Final = 200  # one readable line

Runner: TypeAlias = Callable[[Sequence[str]], str]
"""Runs argv and returns what it wrote; ``CommandMissing`` or ``ProbeFailed`` otherwise."""


class CommandMissing(ProbeFailed):
    """There is no such program on this machine."""


def run_command(argv: Sequence[str]) -> str:
    """Run a tool and return its standard output.

    Raises:
        CommandMissing: it is not installed.
        ProbeFailed: it hangs, fails or floods; says what it said.
    """
    name = os.path.basename(argv[0])  # noqa: PTH119  argv[0] may be a bare name, no path
    env = dict(os.environ) | {"LC_ALL": "C", "LANG": "C"}
    try:
        done = subprocess.run(
            list(argv),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_S,
            check=False,
            env=env,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        raise CommandMissing(f"{name} is not installed") from None
    except subprocess.TimeoutExpired:
        raise ProbeFailed(f"{name} did not answer within {COMMAND_S:g} s") from None
    except OSError as error:
        raise ProbeFailed(f"{name} cannot be started: {error.strerror}") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        words = f": {said[-1][:_REASON_LENGTH_MAX]}" if said else ""
        raise ProbeFailed(f"{name} ended with {done.returncode}{words}")
    if len(done.stdout) > OUTPUT_BYTES_MAX:
        raise ProbeFailed(f"{name} wrote more than {OUTPUT_BYTES_MAX} bytes")
    return done.stdout.decode("utf-8", errors="replace")
