"""Start one worker process, and end one: the supervisor's hands.

The hive starts a shim, the shim starts the engine (``shim`` says why). Here the
files that the shim reads are written and the ones that it writes are read.
Nothing in here decides anything; the supervisor's loop hears of what happened.
"""

import contextlib
import sys
from pathlib import Path
from subprocess import Popen
from typing import Final

import anyio
import anyio.to_thread
import msgspec
import psutil

from rbee.errors import EngineError
from rbee.foundation.files import read_struct, write_struct
from rbee.foundation.processes import (
    ProcessMark,
    end_tree,
    is_alive,
    kill_tree,
    mark,
    spawn_detached,
    wait_exit,
)
from rbee.hive.engines.engine import WORKER_DIRECTORY_VARIABLE, Launch, allowed_env
from rbee.hive.isolation import cgroups, units
from rbee.hive.isolation.plan import Measures
from rbee.hive.isolation.probe import name_of
from rbee.hive.workers import logs, shim
from rbee.hive.workers.state import (
    ENGINE_FILE,
    EXIT_FILE,
    LAUNCH_FILE,
    EngineFile,
    ExitFile,
    LaunchFile,
    told,
)

SHIM_LOG: Final = "shim.log"
SHIM_START_S: Final = 15.0  # 20 ms usually; a machine that swaps may need seconds
STOP_GRACE_S: Final = 2.0  # engines.md: a stop while it loads is a KILL after 2 s
EXIT_TOLD_S: Final = 2.0  # the shim writes exit.json some ms after the end
_LOOK_EVERY_S: Final = 0.005  # a file that appears within 20 ms; costs nothing for so short


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """The two processes of one generation. ``shim`` is null when it is gone."""

    shim: ProcessMark | None
    engine: ProcessMark


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the shim is told besides the engine itself."""

    alive: Path
    orphan_s: float
    log_bytes_max: int


class EndedAtOnce(Exception):
    """The engine had ended before its mark could be taken; no error of the start itself."""

    def __init__(self, word: ExitFile) -> None:
        super().__init__("the engine ended at once")
        self.word = word


async def start(
    directory: Path, launch: Launch, generation: int, limits: Limits, measures: Measures
) -> Running:
    """Start shim and engine and return their marks.

    Raises:
        DiskFull: no room for the files that a start needs.
        StorageError: they cannot be written.
        EngineError: the shim or the engine could not be started at all.
        EndedAtOnce: it started and ended; carries how.
    """
    log = logs.log_path(directory)
    try:
        made = cgroups.make(measures.cgroups)
    except OSError as error:
        raise EngineError(
            f"The worker's cgroup cannot be made: {error.strerror}.",
            remedy="Start the hive again, or set `isolation` to off for it.",
        ) from None
    with told(directory):
        for name in (ENGINE_FILE, EXIT_FILE):
            (directory / name).unlink(missing_ok=True)
        logs.rotate(log, bytes_max=limits.log_bytes_max, running=False)
        logs.mark_generation(log, generation)
        write_struct(
            directory / LAUNCH_FILE,
            LaunchFile(
                argv=launch.argv,
                env=launch.env,
                log=str(log),
                alive=str(limits.alive),
                orphan_s=limits.orphan_s,
                stop_s=STOP_GRACE_S,
                cgroups=[str(path) for path in made],
                no_new_privileges=measures.no_new_privileges,
                memory_max_bytes=measures.memory_max_bytes,
            ),
        )
    argv = [sys.executable, "-I", "-S", shim.__file__, str(directory)]
    # The mark is the shim's too: one whose hive was killed before it was heard of is found.
    env = allowed_env() | {WORKER_DIRECTORY_VARIABLE: str(directory)}
    if measures.unit is not None:
        argv = _in_unit(measures, measures.unit, directory, generation, env) + argv
        env |= units.session_env()
    try:
        process = await anyio.to_thread.run_sync(
            lambda: spawn_detached(argv, log=directory / SHIM_LOG, env=env)
        )
    except OSError as error:
        cgroups.remove(made)
        raise EngineError(f"The worker's shim cannot be started: {error.strerror}.") from None
    return await _started(directory, process, in_unit=measures.unit is not None)


def _in_unit(
    measures: Measures,
    manager: units.Manager,
    directory: Path,
    generation: int,
    env: dict[str, str],
) -> list[str]:
    """The command that runs the shim in a unit of its own, with ``env`` and its log."""
    name = name_of(directory.parent, f"{directory.name}-{generation}")
    output = f"append:{directory / SHIM_LOG}"
    return units.command(
        manager,
        name,
        [
            *units.properties(manager, measures.memory_max_bytes, [directory]),
            f"--property=StandardOutput={output}",
            f"--property=StandardError={output}",
            *(f"--setenv={key}={value}" for key, value in env.items()),
        ],
    )


async def _started(directory: Path, process: "Popen[bytes]", *, in_unit: bool) -> Running:
    """Wait for the shim's word that the engine runs. In a unit, ``process`` only asks for it."""
    shim_mark = None if in_unit else mark(process.pid)
    with anyio.move_on_after(SHIM_START_S):
        while True:
            running = found_running(directory, shim_mark)
            if running is not None:
                await anyio.to_thread.run_sync(process.wait) if in_unit else _disown(process)
                return running
            ended = read_struct(directory / EXIT_FILE, ExitFile)
            status = process.poll()
            if ended is not None or status or (status is not None and not in_unit):
                break
            await anyio.sleep(_LOOK_EVERY_S)
    if shim_mark is not None:
        kill_tree(shim_mark)
    process.wait()
    ended = read_struct(directory / EXIT_FILE, ExitFile)
    if ended is not None and ended.error is None:
        raise EndedAtOnce(ended)
    words = ended.error if ended is not None else logs.last_words(directory / SHIM_LOG)
    raise EngineError(f"The worker process cannot be started: {words or 'its shim said nothing'}.")


def found_running(directory: Path, shim_mark: ProcessMark | None) -> Running | None:
    """The engine that the shim speaks of, if a process of its pid runs.

    While the shim lives it has not reaped the engine, so the pid is the engine's;
    without it, the caller compares the mark.
    """
    word = read_struct(directory / ENGINE_FILE, EngineFile)
    if word is None:
        return None
    engine = mark(word.pid)
    if engine is None:
        return None
    if shim_mark is None and word.shim_pid is not None:
        shim_mark = _shim_at(word.shim_pid, directory)
    return Running(shim=shim_mark, engine=engine)


def _shim_at(pid: int, directory: Path) -> ProcessMark | None:
    """The mark of the shim of ``directory`` if ``pid`` is that; pids are reused."""
    with contextlib.suppress(psutil.Error, OSError):
        if str(directory) in psutil.Process(pid).cmdline():
            return mark(pid)
    return None


async def wait_end(directory: Path, running: Running) -> ExitFile:
    """Return when the engine has ended; what its shim told of it, or an empty word."""
    await wait_exit(running.engine)
    with anyio.move_on_after(EXIT_TOLD_S):
        while True:
            told_ = read_struct(directory / EXIT_FILE, ExitFile)
            if told_ is not None:
                return told_
            if running.shim is None or not is_alive(running.shim):
                break
            await anyio.sleep(_LOOK_EVERY_S)
    return read_struct(directory / EXIT_FILE, ExitFile) or ExitFile()


def clear(directory: Path) -> None:
    """Remove the cgroups of an ended process, if its shim did not live to do it."""
    launch = read_struct(directory / LAUNCH_FILE, LaunchFile)
    if launch is not None:
        cgroups.remove([Path(path) for path in launch.cgroups])


async def reap(running: Running) -> None:
    """Take the shim's exit after its engine's, so that no zombie stays. It is short of ending."""
    if running.shim is not None:
        with anyio.move_on_after(EXIT_TOLD_S):
            await wait_exit(running.shim)


async def end(running: Running) -> bool:
    """End the engine with its whole tree, then its shim; whether nothing is left."""
    await end_tree(running.engine, grace_s=STOP_GRACE_S)
    if running.shim is not None:
        with anyio.move_on_after(EXIT_TOLD_S):
            await wait_exit(running.shim)  # it leaves by itself once it has told the exit
        kill_tree(running.shim)
        with anyio.move_on_after(EXIT_TOLD_S):
            await wait_exit(running.shim)
    return not is_alive(running.engine)


def _disown(process: "Popen[bytes]") -> None:
    """Let ``wait_exit`` reap the shim: Popen would warn of a child that outlives it."""
    with contextlib.suppress(AttributeError):
        process.returncode = 0
