"""How a worker leaves: at once, with its last words flushed.

Engines run threads that know no stop: llama.cpp's server waits for streams in
flight (30 s were measured) when the interpreter tears it down. A worker is
drained by the queen before it is told to stop, so there is nothing to wait for
and the process ends without the interpreter's own shutdown.
"""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from rbee.contracts.exits import WorkerExit


def leave(status: WorkerExit) -> NoReturn:
    """End this process now, whatever its threads do."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # the reader is gone: nobody is left to tell
    os._exit(status)


def leave_on_signal(number: int, frame: FrameType | None) -> NoReturn:
    """Handle a stop signal: leave as one who was told to."""
    del number, frame
    leave(WorkerExit.OK)


def leave_when_told() -> None:
    """Leave with status 0 on SIGTERM and SIGINT from now on (main thread only).

    Before this call the system's defaults hold: they end a process even while
    an engine that loads keeps the interpreter from running any handler.
    """
    signal.signal(signal.SIGTERM, leave_on_signal)
    signal.signal(signal.SIGINT, leave_on_signal)
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, leave_on_signal)
