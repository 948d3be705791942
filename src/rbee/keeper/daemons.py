"""Find, start and stop the daemons of this machine.

A daemon is started as ``python -m rbee queen run`` (or ``hive``) in a session
of its own, with its log in ``<data>/logs``; it announces itself once it is
bound (``foundation.daemon``). The rules: starting what runs is no error;
nothing is called started before it has answered who it is; stopping asks first
(``POST /v1/shutdown``), then signals.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import msgspec
import psutil

from rbee import __version__
from rbee.client.hive import HiveClient
from rbee.client.queen import QueenClient
from rbee.contracts.daemon import ServiceInfo
from rbee.errors import ContractError, PortTaken, RbeeError, StartError
from rbee.foundation import paths
from rbee.foundation.announcements import Room, find_announced
from rbee.foundation.files import make_private_dir
from rbee.foundation.processes import (
    ProcessMark,
    is_alive,
    kill_tree,
    mark,
    spawn_detached,
    wait_exit,
)
from rbee.foundation.trust import key_for
from rbee.keeper.addresses import port_of
from rbee.keeper.problem_text import last_problem

START_WAIT_S = 30.0  # a cold disk and a slow engine probe; a warm start takes under a second
STOP_WAIT_S = 130.0  # a drain may take 120 s (wire.md), and a little for the rest
_PATIENCE_S = 2.0  # most stops are over by then: nothing needs to be said
_TERM_WAIT_S = 10.0  # after TERM a daemon only has to close its sockets
_LOOK_EVERY_S = 0.03  # a start is over within half a second: do not add to it
INFO_WAIT_S = 3.0  # /v1/info is answered from memory; a daemon that takes longer hangs
PROBE_WAIT_S = 1.0  # of a port where only a stranger may listen: our own answers in milliseconds
_LOG_TAIL_BYTES = 4096  # a screenful

Tell = Callable[[str], None]


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A daemon that runs on this machine. ``info`` is null when it does not answer.

    ``base_url`` is empty for a hive that listens nowhere: it takes signals alone.
    """

    room: Room
    base_url: str
    pid: int
    info: ServiceInfo | None

    @property
    def version_skew(self) -> str | None:
        """A sentence when the daemon is of another version than this program."""
        if self.info is None or self.info.version == __version__:
            return None
        return (
            f"The running {self.room} is version {self.info.version}, this program is "
            f"{__version__}: `rbee down`, then `rbee up`, brings them together."
        )


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What ``start`` did: ``fresh`` is false when the daemon ran already."""

    running: Running
    fresh: bool


def client_of(room: Room, url: str) -> QueenClient | HiveClient:
    """A client for a room, with the colony's key when there is one."""
    kind = QueenClient if room == "queen" else HiveClient
    return kind(url, key=key_for(url))


def log_path(room: Room) -> Path:
    """Where a daemon that was started here writes its log."""
    return paths.data_dir() / "logs" / f"{room}.log"


async def ask_info(room: Room, url: str, *, wait_s: float = INFO_WAIT_S) -> ServiceInfo:
    """Who answers at ``url``, within ``wait_s``.

    Raises:
        RbeeError: nobody, or somebody who wants another key.
        StartError: somebody who is not this room.
    """
    async with client_of(room, url) as client:
        info = await client.transport.ask("GET", "/v1/info", ServiceInfo, timeout_s=wait_s)
    if info.service != room:
        raise StartError(
            f"{url} is a {info.service}, not a {room}.",
            remedy="Check the address and `rbee status`.",
        )
    return info


async def find(room: Room) -> Running | None:
    """The daemon of this machine: the one that announced itself, or one on the usual port.

    Raises:
        ContractError: it is ours and refuses us, for want of the key.
    """
    announced = find_announced(room)
    if announced is not None:
        if not announced.base_url:
            return _without_port(room, announced.process.pid)
        try:
            info = await ask_info(room, announced.base_url)
        except ContractError:
            raise
        except RbeeError:
            info = None  # it lives and does not answer: the caller says so
        return Running(room=room, base_url=announced.base_url, pid=announced.process.pid, info=info)
    url = f"http://localhost:{port_of(room)}"
    try:
        info = await ask_info(room, url, wait_s=PROBE_WAIT_S)
    except RbeeError:
        return None
    return Running(room=room, base_url=url, pid=info.pid, info=info)


def _without_port(room: Room, pid: int) -> Running:
    """A hive that listens nowhere cannot be asked; it announced itself when it was up."""
    info = ServiceInfo(
        service=room,
        version=__version__,
        base_url="",
        port=0,
        pid=pid,
        features=["outbound-only"],
    )
    return Running(room=room, base_url="", pid=pid, info=info)


async def start(room: Room, flags: Sequence[str] = ()) -> Started:
    """Start a daemon and wait until it answers; one that runs already is left alone.

    ``flags`` go to ``rbee ROOM run``. A cancelled start ends what it began.

    Raises:
        PortTaken: somebody else listens on its port.
        StartError: it ended, or did not answer in time; says what its log says.
    """
    found = await find(room)
    if found is not None:
        return Started(running=found, fresh=False)
    log = log_path(room)
    try:
        make_private_dir(log.parent)
        log_from = log.stat().st_size if log.exists() else 0
        child = spawn_detached([sys.executable, "-m", "rbee", room, "run", *flags], log=log)
    except OSError as error:
        raise StartError(
            f"The {room} cannot be started, or its log not be written at {log}: {error.strerror}.",
            remedy="Correct the folder's permissions, or choose another with RBEE_DATA_DIR.",
        ) from None
    up = False
    try:
        with anyio.move_on_after(START_WAIT_S):
            running = await _wait_until_up(room, child, log, log_from)
            up = True
            return Started(running=running, fresh=not _lost_race(running, child))
    finally:
        if not up:
            _end_child(child)
    raise StartError(
        f"The {room} did not answer within {START_WAIT_S:.0f} s.{_tail(log, log_from)}",
        remedy=f"`rbee doctor` looks for the cause; the whole log is {log}.",
    )


async def stop(room: Room, tell: Tell, *, keep_workers: bool = False) -> bool:
    """Stop this machine's daemon; False when there was none.

    Raises:
        RbeeError: it refused, for instance for want of the key.
        StartError: it belongs to another user.
    """
    found = await find(room)
    if found is None:
        return False
    process = mark(found.pid)
    asked = await _ask_to_stop(found, keep_workers=keep_workers)
    if process is None:
        return True
    if asked:
        with anyio.move_on_after(_PATIENCE_S):
            await wait_exit(process)
    if asked and is_alive(process):
        tell(f"waiting for the {room} to finish what it runs (up to {STOP_WAIT_S:.0f} s)")
        with anyio.move_on_after(STOP_WAIT_S):
            await wait_exit(process)
    if is_alive(process):
        await _force(room, process, tell)
    return True


def interrupt(room: Room) -> bool:
    """Send this machine's daemon a Ctrl+C and wait for nothing; False when that cannot be done."""
    announced = find_announced(room)
    if announced is None:
        return True  # it has ended
    if sys.platform == "win32":
        return False  # Windows has no signal for a process of another console
    try:
        os.kill(announced.process.pid, signal.SIGINT)
    except OSError:
        return False
    return True


async def _wait_until_up(
    room: Room, child: subprocess.Popen[bytes], log: Path, log_from: int
) -> Running:
    while True:
        status = child.poll()
        announced = find_announced(room)
        if announced is not None and (status is not None or announced.process.pid == child.pid):
            found = await find(room)
            if found is not None and found.info is not None:
                return found
        elif status is not None:
            raise _failed_start(room, log, log_from, status)
        await anyio.sleep(_LOOK_EVERY_S)


def _lost_race(running: Running, child: subprocess.Popen[bytes]) -> bool:
    """Whether another start at the same time won, and ours ended on the taken port."""
    return running.pid != child.pid


def _failed_start(room: Room, log: Path, log_from: int, status: int) -> StartError:
    said = last_problem(_read_from(log, log_from))
    if said is None:
        return StartError(
            f"The {room} ended with status {status} while it started.{_tail(log, log_from)}",
            remedy=f"The whole log is {log}.",
        )
    what, remedy = said
    kind = PortTaken if "already taken" in what else StartError
    return kind(f"The {room} cannot start: {what}", remedy=remedy)


def _end_child(child: subprocess.Popen[bytes]) -> None:
    process = mark(child.pid)
    if child.poll() is None and process is not None:
        kill_tree(process)


async def _ask_to_stop(found: Running, *, keep_workers: bool) -> bool:
    """Ask over HTTP; False when nobody answers, so that the signals follow at once.

    Raises:
        ContractError: it answers, and refuses us.
    """
    if found.info is None:
        return False
    if not found.base_url:
        if keep_workers:
            return False  # the TERM that follows says so
        return interrupt(found.room)
    client = client_of(found.room, found.base_url)
    async with client:
        try:
            if isinstance(client, HiveClient):
                await client.shutdown(keep_workers=keep_workers)
            else:
                await client.shutdown()
        except ContractError:
            raise
        except RbeeError:
            return False
    return True


async def _force(room: Room, process: ProcessMark, tell: Tell) -> None:
    tell(f"the {room} does not stop: sending TERM to pid {process.pid}")
    try:
        os.kill(process.pid, signal.SIGTERM)
        with anyio.move_on_after(_TERM_WAIT_S):
            await wait_exit(process)
        if is_alive(process):
            tell(f"the {room} ignores TERM: killing pid {process.pid}")
            psutil.Process(process.pid).kill()
            await wait_exit(process)
    except psutil.NoSuchProcess:
        return
    except PermissionError:
        raise StartError(
            f"The {room} (pid {process.pid}) belongs to another user.",
            remedy="Stop it as that user.",
        ) from None


def _read_from(log: Path, log_from: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(log_from, log.stat().st_size - _LOG_TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def _tail(log: Path, log_from: int) -> str:
    text = _read_from(log, log_from).strip()
    return f" Its log says:\n{text}" if text else " Its log is empty."
