"""What ``rbee queen`` and ``rbee hive`` have in common: start, stop, status."""

import time
from collections.abc import Mapping

import msgspec

from rbee.contracts.daemon import ServiceInfo
from rbee.errors import StartError
from rbee.foundation.announcements import Room
from rbee.keeper import daemons
from rbee.keeper.daemons import Running
from rbee.keeper.screen import Live, note, out, out_json
from rbee.keeper.units import duration_text

EXIT_NOT_RUNNING = 3  # as init scripts count: "program is not running"


class DaemonStatus(msgspec.Struct, kw_only=True):
    """``rbee queen status --json``. ``uptime_s`` and what follows are null when unknown."""

    room: Room
    running: bool
    url: str | None = None
    pid: int | None = None
    port: int | None = None
    version: str | None = None
    uptime_s: float | None = None
    hive_id: str | None = None
    queen_url: str | None = None


async def start_daemon(room: Room, flags: Mapping[str, object], *, json: bool) -> None:
    """Start a daemon in the background and say where it is.

    Raises:
        StartError: it does not start.
    """
    words = [
        word
        for flag, value in flags.items()
        if value is not None and value is not False
        for word in ((flag,) if value is True else (flag, str(value)))
    ]
    with Live() as live:
        live.say(f"starting the {room}")
        started = await daemons.start(room, words)
    running = started.running
    if json:
        out_json(status_of(room, running, time.time()))
    else:
        now = "now " if started.fresh else "already "
        where = f"at {running.base_url}" if running.base_url else "without a port"
        note(f"The {room} {now}runs {where} (pid {running.pid}).")
    if running.version_skew:
        note(f"note: {running.version_skew}")


async def stop_daemon(room: Room, *, json: bool, keep_workers: bool = False) -> None:
    """Stop a daemon and wait for its end; stopping what does not run is no error.

    Raises:
        RbeeError: it refused or cannot be stopped.
    """
    with Live() as live:
        live.say(f"stopping the {room}")
        was_there = await daemons.stop(room, live.say, keep_workers=keep_workers)
    if json:
        out_json({"room": room, "stopped": was_there})
    else:
        note(f"The {room} has stopped." if was_there else f"The {room} was not running.")


async def show_status(room: Room, *, json: bool) -> int:
    """Print whether a daemon runs here; returns the exit code.

    Raises:
        StartError: its process lives and does not answer.
    """
    running = await daemons.find(room)
    if json:
        out_json(status_of(room, running, time.time()))
    elif running is None:
        out(f"The {room} is not running.")
    elif running.info is not None:
        out(status_text(running, running.info, time.time()))
        if running.version_skew:
            note(f"note: {running.version_skew}")
    if running is None:
        return EXIT_NOT_RUNNING
    if running.info is None:
        raise StartError(
            f"The {room} (pid {running.pid}) lives but does not answer at {running.base_url}.",
            remedy=f"`rbee logs {room}` shows what it does; `rbee {room} stop` ends it.",
        )
    return 0


def status_of(room: Room, running: Running | None, now: float) -> DaemonStatus:
    """The JSON form of a daemon's state. ``now`` is Unix seconds."""
    if running is None:
        return DaemonStatus(room=room, running=False)
    status = DaemonStatus(room=room, running=True, url=running.base_url, pid=running.pid)
    if running.info is not None:
        status.port = running.info.port
        status.version = running.info.version
        status.hive_id = running.info.hive_id
        status.queen_url = running.info.queen_url
        if running.info.started_at is not None:
            status.uptime_s = round(max(0.0, now - running.info.started_at), 1)
    return status


def status_text(running: Running, info: ServiceInfo, now: float) -> str:
    """One line: where, which process, since when, which version."""
    parts = [f"pid {running.pid}", f"port {info.port}", f"version {info.version}"]
    if info.started_at is not None:
        parts.append(f"up {duration_text(now - info.started_at)}")
    if info.hive_id:
        parts.append(f"id {info.hive_id}")
    if info.queen_url:
        parts.append(f"queen {info.queen_url}")
    where = f"at {running.base_url}" if running.base_url else "without a port, linked to its queen"
    return f"The {running.room} runs {where} ({', '.join(parts)})."
