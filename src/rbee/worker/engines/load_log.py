"""What a native engine says while it loads, and what that means.

The engine keeps the interpreter locked while it loads and writes to file
descriptor 2 from C++, so neither a thread nor a pipe can listen: the descriptor
is turned to ``load.log`` in the worker's directory for that time, where the hive
may look too, and the text is repeated on the true stderr afterwards.
"""

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rbee.errors import CorruptModel, EngineError, OutOfMemory, PortTaken, RbeeError

LOG_NAME = "load.log"
_SETTLE_S = 0.3  # the engine's log thread writes its last lines within some ms of the failure
_SETTLE_STEP_S = 0.02  # two looks apart by this see a log that still grows
_REASON_LENGTH_MAX = 300  # one readable line; the whole text is in the log
_STDERR = 2

_MEMORY_WORDS: Final = (
    "failed to allocate",
    "unable to allocate",
    "out of memory",
    "outofmemory",
    "insufficient memory",
    "cannot meet free memory",
)
_PORT_WORDS: Final = ("couldn't bind",)
_MODEL_WORDS: Final = (
    "failed to read",
    "bad gguf version",
    "invalid magic",
    "not within the file bounds",
    "corrupted or incomplete",
    "missing tensor",
    "wrong number of tensors",
)


@contextmanager
def stderr_in(path: Path) -> Generator[None]:
    """Send what C and C++ code writes to stderr into ``path``, then repeat it on stderr."""
    sys.stderr.flush()
    true_stderr = os.dup(_STDERR)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, _STDERR)
    os.close(log)
    try:
        yield
    finally:
        _wait_for_silence(path)
        os.dup2(true_stderr, _STDERR)
        os.close(true_stderr)
        sys.stderr.write(path.read_text(encoding="utf-8", errors="replace"))
        sys.stderr.flush()


def failure_in(log: str, *, model: Path, host: str, port: int) -> RbeeError:
    """Find the cause of a failed load in the engine's own words."""
    reason = _first_error(log)
    spoken = log.lower()
    if any(words in spoken for words in _PORT_WORDS):
        return PortTaken(f"Port {port} on {host} was taken while the engine started.")
    if any(words in spoken for words in _MEMORY_WORDS):
        return OutOfMemory(f"{model.name} with its context does not fit into memory: {reason}.")
    if any(words in spoken for words in _MODEL_WORDS):
        return CorruptModel(f"The engine cannot read {model}: {reason}.")
    return EngineError(f"The engine could not load {model}: {reason}.")


def _first_error(log: str) -> str:
    """The first line of level E without its clock; later ones only repeat it."""
    for line in log.splitlines():
        _, marker, said = line.partition(" E ")
        if marker:
            return said.strip().rstrip(".")[:_REASON_LENGTH_MAX]
    return "it gave no reason"


def _wait_for_silence(path: Path) -> None:
    """Wait until the log stops growing, for the engine writes it from a thread of its own."""
    deadline = time.monotonic() + _SETTLE_S
    size = -1
    while time.monotonic() < deadline and (now := path.stat().st_size) != size:
        size = now
        time.sleep(_SETTLE_STEP_S)
