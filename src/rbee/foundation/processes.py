"""Processes of this machine: who is who, wait for an end, end a tree.

A pid alone names nobody, since pids are reused: a process is its pid, its start
time and the boot it lives in. Zombies count as dead. Linux tells of an end at
once through a pidfd; elsewhere we look five times a second.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import msgspec
import psutil

_OUR_NAMES = frozenset({"rbee", "rbee-keeper"})
_PROGRAM_WORDS = 4  # `python -P -m rbee …`, `python /usr/bin/rbee …`: the name stands up front
_LOOK_EVERY_S = 0.2  # without a pidfd: an end is seen within this
_START_TIME_TOLERANCE_S = 0.05  # start times of one process differ by rounding only


class ProcessMark(msgspec.Struct, frozen=True, kw_only=True):
    """A process that can be recognised later.

    ``started`` is in seconds: since boot on Linux, where a set clock must not
    make every process look like another one; Unix time elsewhere.
    """

    pid: int
    started: float
    boot: str


def boot_id() -> str:
    """Names this boot of the machine, so that a mark from before a reboot is nobody."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{psutil.boot_time():.0f}"


def mark(pid: int) -> ProcessMark | None:
    """The mark of a running process, or None when there is none."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessMark(pid=pid, started=_started(process), boot=boot_id())
    except psutil.Error:
        return None


def _started(process: psutil.Process) -> float:
    if sys.platform != "linux":
        return process.create_time()
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise psutil.NoSuchProcess(process.pid) from None
    # proc(5): starttime is field 22; the name, field 2, may hold spaces and brackets.
    ticks = int(stat.rpartition(")")[2].split()[19])
    return ticks / os.sysconf("SC_CLK_TCK")


def is_alive(known: ProcessMark) -> bool:
    """Whether that very process still runs."""
    found = mark(known.pid)
    return (
        found is not None
        and found.boot == known.boot
        and abs(found.started - known.started) < _START_TIME_TOLERANCE_S
    )


async def wait_exit(known: ProcessMark) -> None:
    """Return as soon as that process has ended; reaps it when it is our child."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            await _wait_pidfd(known)
            return
    while is_alive(known):  # noqa: ASYNC110  the system sends no event for this
        await anyio.sleep(_LOOK_EVERY_S)
    _reap(known.pid)


async def _wait_pidfd(known: ProcessMark) -> None:
    # The descriptor is opened before the comparison: once it is ours, the pid
    # cannot come to mean another process.
    descriptor = os.pidfd_open(known.pid)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        if not is_alive(known):
            return
        loop.add_reader(descriptor, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        _reap(known.pid)


def _reap(pid: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def spawn_detached(
    argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process that outlives us: own session, no stdin, output appended to ``log``.

    Raises:
        OSError: the program or the log cannot be opened.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=None if env is None else dict(env),
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )


async def end_tree(known: ProcessMark, *, grace_s: float) -> bool:
    """Ask a process to end, then kill it and all its descendants.

    Returns whether it went by itself within ``grace_s``.
    """
    if not is_alive(known):
        return True
    tree = _tree(known.pid)
    with contextlib.suppress(psutil.Error):
        psutil.Process(known.pid).terminate()
    with anyio.move_on_after(grace_s):
        await wait_exit(known)
    went = not is_alive(known)
    for process in tree:
        with contextlib.suppress(psutil.Error):
            process.kill()
    await wait_exit(known)
    return went


def kill_tree(known: ProcessMark) -> None:
    """Kill a process and all its descendants, now."""
    if not is_alive(known):
        return
    for process in _tree(known.pid):
        with contextlib.suppress(psutil.Error):
            process.kill()


def _tree(pid: int) -> list[psutil.Process]:
    """A process and its descendants; psutil guards each against a reused pid."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def port_owner(port: int) -> str | None:
    """Who listens on a port, as ``name (pid N)``; None where the system does not say."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return None
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port == port:
            return _described(connection.pid)
    return None


def _described(pid: int | None) -> str | None:
    if pid is None:
        return None
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return f"pid {pid}"
    if any(Path(word).name in _OUR_NAMES for word in words[:_PROGRAM_WORDS]):
        room = next((word for word in words if word in {"queen", "hive"}), "daemon")
        return f"an rbee {room} (pid {pid})"
    return f"{Path(words[0]).name} (pid {pid})" if words else f"pid {pid}"
