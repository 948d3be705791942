"""What a hive writes down of a worker, so that its successor finds it again.

``<data>/hive/workers/<worker_id>/state.json`` and its neighbours, all 0600 in a
directory of 0700. The files are hints: ``adoption`` checks each against the
world. Written by the supervisor's loop at every change of process or status;
a status that is only busy or ready again is not worth a write.
"""

import contextlib
import errno
import secrets
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec

from rbee.contracts.ids import WorkerId
from rbee.contracts.jobs import WorkerSpawn
from rbee.contracts.workers import Protection, WorkerStatus
from rbee.errors import DiskFull, StorageError
from rbee.foundation.files import make_private_dir, read_struct, write_atomic, write_struct
from rbee.foundation.processes import ProcessMark
from rbee.hive.engines.engine import LaunchSpec

KEY_BYTES = 32  # 256 bits
ENDED_KEPT_MAX = 20  # directories of ended workers, for their logs: at most 160 MiB of them

STATE_FILE = "state.json"
KEY_FILE = "key"
LAUNCH_FILE = "launch.json"
ENGINE_FILE = "engine.json"
EXIT_FILE = "exit.json"


class WorkerState(msgspec.Struct, kw_only=True):
    """One worker as its hive knows it. Times are Unix seconds.

    ``shim`` and ``engine`` are the marks of the running processes, null before
    they run and after their end. ``deaths`` are the early deaths that the restart
    budget counts, ``hangs`` the times it was ended because it hung. ``ready_at`` and
    ``isolation``, what guards the engine, belong to this generation. ``asked`` is the
    operation that made it, ``fit`` why its model lies where it lies. ``outside`` is the
    address where this generation takes a queen's connections, on the same ``port``.
    """

    worker_id: WorkerId
    spec: LaunchSpec
    status: WorkerStatus
    port: int
    created_at: float
    host: str = "127.0.0.1"
    outside: str | None = None
    generation: int = 1
    restarts: int = 0
    manual: bool = True
    command_id: str | None = None
    shim: ProcessMark | None = None
    engine: ProcessMark | None = None
    started_at: float | None = None
    ready_at: float | None = None
    load_s: float | None = None
    deaths: list[float] = msgspec.field(default_factory=list[float])
    hangs: list[float] = msgspec.field(default_factory=list[float])
    isolation: list[Protection] = msgspec.field(default_factory=list[Protection])
    reason: str | None = None
    asked: WorkerSpawn | None = None
    fit: str | None = None


class LaunchFile(msgspec.Struct, kw_only=True):
    """``launch.json``, what the shim is told; see ``shim``."""

    argv: list[str]
    env: dict[str, str]
    log: str
    alive: str
    orphan_s: float
    stop_s: float
    cgroups: list[str] = msgspec.field(default_factory=list[str])
    no_new_privileges: bool = False
    memory_max_bytes: int | None = None


class EngineFile(msgspec.Struct, kw_only=True):
    """``engine.json``: the shim's word that the engine runs."""

    pid: int
    started_at: float
    shim_pid: int | None = None


class ExitFile(msgspec.Struct, kw_only=True):
    """``exit.json``: how the engine ended, as its shim saw it.

    ``out_of_memory``: the system killed it because it went over its own limit.
    """

    code: int | None = None
    signal: int | None = None
    ended_at: float | None = None
    orphaned: bool = False
    out_of_memory: bool = False
    error: str | None = None

    @property
    def status(self) -> int | None:
        """The return code as ``subprocess`` gives it; None when nobody saw the end."""
        return -self.signal if self.signal is not None else self.code


class StateStore:
    """The directories of all workers."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def directory(self, worker_id: WorkerId) -> Path:
        """A worker's private directory, whether it exists or not."""
        return self.root / worker_id

    def find(self, worker_id: WorkerId) -> Path | None:
        """The directory of a worker, running or ended not long ago; None: no such worker."""
        # The id comes from a URL: it is compared with what is there, never made a path.
        return next((path for path in self._directories() if path.name == worker_id), None)

    def create(self, state: WorkerState) -> str:
        """Make a new worker's directory, key and state; the key.

        Raises:
            DiskFull: no room, not even for this.
            StorageError: the directory cannot be written.
        """
        directory = self.directory(state.worker_id)
        key = secrets.token_urlsafe(KEY_BYTES)
        try:
            with told(directory):
                make_private_dir(directory)
                write_atomic(directory / KEY_FILE, key.encode())
                write_struct(directory / STATE_FILE, state)
        except StorageError:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return key

    def write(self, state: WorkerState) -> None:
        """Write a worker's state.

        Raises:
            DiskFull: no room, not even for this.
            StorageError: the directory cannot be written.
        """
        directory = self.directory(state.worker_id)
        with told(directory):
            write_struct(directory / STATE_FILE, state)

    def key_of(self, worker_id: WorkerId) -> str | None:
        """A worker's bearer secret; None when it is gone."""
        try:
            return (self.directory(worker_id) / KEY_FILE).read_text(encoding="ascii") or None
        except (OSError, UnicodeDecodeError):
            return None

    def states(self) -> Iterator[WorkerState]:
        """Every state that can be read, of workers that were not ended well."""
        for directory in self._directories():
            state = read_struct(directory / STATE_FILE, WorkerState)
            if state is not None and state.worker_id == directory.name:
                yield state

    def forget(self, worker_id: WorkerId) -> None:
        """Drop state and key of an ended worker, keep its log; old logs go."""
        directory = self.directory(worker_id)
        for name in (STATE_FILE, KEY_FILE, LAUNCH_FILE, ENGINE_FILE):
            with contextlib.suppress(OSError):
                (directory / name).unlink(missing_ok=True)
        shutil.rmtree(directory / "slots", ignore_errors=True)
        self._prune()

    def _prune(self) -> None:
        ended = [
            directory for directory in self._directories() if not (directory / STATE_FILE).exists()
        ]
        ended.sort(key=_modified, reverse=True)
        for directory in ended[ENDED_KEPT_MAX:]:
            shutil.rmtree(directory, ignore_errors=True)

    def _directories(self) -> list[Path]:
        try:
            return [path for path in self.root.iterdir() if path.is_dir()]
        except OSError:
            return []


@contextlib.contextmanager
def told(path: Path) -> Generator[None]:
    """Turn the system's words about a file into ours.

    Raises:
        DiskFull: the disk or the quota is full.
        StorageError: anything else.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}:
            raise DiskFull(
                f"The disk of {path} is full.",
                remedy="Free some space there, or move the hive's data with RBEE_DATA_DIR.",
            ) from None
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}.",
            remedy="Check the disk and the permissions, or set RBEE_DATA_DIR.",
        ) from None


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
