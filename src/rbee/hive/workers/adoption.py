"""A restarted hive finds its workers again.

For every state file the world is looked at: does that very process (pid, start
time, boot) still run, and does its port answer with our key and our model's
name? ``decide`` is the pure rule. What carries our mark and is of no use is
ended; whatever does not carry it is a stranger and left alone, whichever port
or pid it has.

The mark is a variable in the environment of every engine (``engines/engine``):
it also finds processes whose state file was lost, for instance because the hive
was killed between starting a process and writing it down.
"""

import contextlib
from collections.abc import Collection
from enum import Enum, auto
from pathlib import Path

import msgspec
import psutil

from rbee.foundation.files import read_struct
from rbee.foundation.processes import ProcessMark, boot_id, is_alive, mark
from rbee.hive.engines.engine import WORKER_DIRECTORY_VARIABLE
from rbee.hive.workers.launching import Running, found_running
from rbee.hive.workers.probe import Whose
from rbee.hive.workers.state import EXIT_FILE, ExitFile, WorkerState


class Verdict(Enum):
    """What becomes of a worker that a state file speaks of."""

    ADOPT = auto()
    """It runs and is ours: go on as if nothing had been."""
    RESTART = auto()
    """It is wanted and its process is gone or useless: start another one."""
    END = auto()
    """It was being stopped: finish that."""
    KEEP = auto()
    """It stands in ``error`` and keeps its reason until somebody stops it."""
    FORGET = auto()
    """Nothing is left of it and nobody wants it back."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What the world says of a state file."""

    running: Running | None
    whose: Whose = Whose.SILENT
    same_boot: bool = True
    orphaned: bool = False


def decide(state: WorkerState, found: Found) -> Verdict:
    """The rule. ``whose`` matters only for a process that was ready before."""
    if state.status == "error":
        return Verdict.KEEP
    if state.status in {"draining", "stopping", "stopped"}:
        return Verdict.END if found.running is not None else Verdict.FORGET
    if found.running is None:
        # After a reboot the queen decides afresh what runs where, and what its
        # shim ended because no hive came is not wanted back by surprise.
        wanted = found.same_boot and not found.orphaned
        return Verdict.RESTART if wanted else Verdict.FORGET
    if state.ready_at is None:
        return Verdict.ADOPT  # still loading: the probe goes on with it
    return Verdict.ADOPT if found.whose is Whose.OURS else Verdict.RESTART


def look(state: WorkerState, directory: Path) -> Found:
    """Look for the processes of a state file; the port is the caller's to ask."""
    boot = boot_id()
    marks = [known for known in (state.shim, state.engine) if known is not None]
    same_boot = all(known.boot == boot for known in marks)
    shim = state.shim if state.shim is not None and is_alive(state.shim) else None
    running: Running | None = None
    if state.engine is not None and is_alive(state.engine):
        running = Running(shim=shim, engine=state.engine)
    elif state.engine is None:
        running = found_running(directory, shim)
        if running is not None and not carries_mark(running.engine, directory):
            running = None
    exit_ = read_struct(directory / EXIT_FILE, ExitFile)
    return Found(
        running=running,
        same_boot=same_boot,
        orphaned=exit_ is not None and exit_.orphaned,
    )


def carries_mark(known: ProcessMark, directory: Path) -> bool:
    """Whether that process was started for the worker of ``directory``."""
    with contextlib.suppress(psutil.Error, OSError):
        return _marked(psutil.Process(known.pid)) == str(directory)
    return False


def strays(root: Path, keep: Collection[Path]) -> list[ProcessMark]:
    """Processes with a mark of this hive's (``root`` of its workers) that nobody keeps.

    ``keep`` are the directories of adopted workers, whose children carry the mark too.
    """
    found: list[ProcessMark] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            directory = Path(_marked(process) or "/")
            known = mark(process.pid) if directory.parent == root else None
            if known is not None and directory not in keep:
                found.append(known)
    return found


def _marked(process: psutil.Process) -> str | None:
    return process.environ().get(WORKER_DIRECTORY_VARIABLE)
