"""Why a worker process ended: the worker leaves with one of these, the hive reads it.

The rule: one cause, one number. The numbers sit in 64 to 78, the range that
sysexits(3) keeps free of shells and signals, and never change their meaning.
"""

import signal
from enum import IntEnum


class WorkerExit(IntEnum):
    """The exit status of ``python -m rbee.worker``."""

    OK = 0
    """It was told to stop."""
    BAD_ARGUMENTS = 2
    """A flag, the key file or the script file is wrong: the hive's mistake."""
    PORT_TAKEN = 64
    """Another program listens on the port: try the next one."""
    BAD_MODEL = 65
    """The model file is missing, unreadable, cut short or no GGUF: a retry cannot help."""
    ENGINE_UNUSABLE = 66
    """The engine cannot run on this machine: choose another engine."""
    OUT_OF_MEMORY = 67
    """The model, its context or its cache did not fit: try a smaller context or another hive."""
    LOAD_FAILED = 68
    """The engine refused for any other reason; its last words are on stderr."""
    CRASHED = 70
    """A fault inside the worker itself, or a crash that a script asked for."""


_MEANINGS: dict[int, str] = {
    WorkerExit.OK: "it was told to stop",
    WorkerExit.BAD_ARGUMENTS: "it was started with wrong arguments",
    WorkerExit.PORT_TAKEN: "another program listens on its port",
    WorkerExit.BAD_MODEL: "the model file is missing, damaged or of a format it cannot read",
    WorkerExit.ENGINE_UNUSABLE: "the engine cannot run on this machine",
    WorkerExit.OUT_OF_MEMORY: "the model did not fit into memory",
    WorkerExit.LOAD_FAILED: "the engine could not load the model",
    WorkerExit.CRASHED: "it crashed",
}

_SIGNAL_MEANINGS: dict[str, str] = {
    "SIGILL": "this CPU lacks instructions that the engine was built for",
    "SIGKILL": "killed from outside, perhaps by the system when memory ran out",
    "SIGSEGV": "the engine crashed",
    "SIGABRT": "the engine aborted",
    "SIGBUS": "the model file changed or its disk failed while it was read",
    "SIGTERM": "it was told to stop",
}


def explain_exit(status: int | None) -> str:
    """Say in words why a worker ended.

    ``status`` is a return code as ``subprocess`` gives it: a WorkerExit, or the
    negated number of the signal that ended it; None when nobody saw the end.
    """
    if status is None:
        return "it ended unseen"
    if status >= 0:
        return _MEANINGS.get(status, f"it ended with status {status}")
    try:
        name = signal.Signals(-status).name
    except ValueError:
        return f"it was ended by signal {-status}"
    return f"{_SIGNAL_MEANINGS.get(name, 'it was ended by a signal')} ({name})"
