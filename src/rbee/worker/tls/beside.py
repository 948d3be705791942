"""Who opens the door: a thread of the worker, or a process of its own beside it.

An engine that runs in Python (linked in, or a relay) has the door in its own process.
Where the process becomes another program (``becoming``), a second process of this one's
group keeps the door; it ends when the engine does, and its hive knows nothing of it.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from typing import Final

from rbee.contracts.exits import WorkerExit
from rbee.errors import InvalidRequest
from rbee.worker.leaving import leave
from rbee.worker.preflight import listen
from rbee.worker.settings import WorkerSettings, read_key
from rbee.worker.tls.door import Door, networks

BECOMING: Final = frozenset({"llama-server", "vllm"})
"""Engines that this process turns into."""

PARENT_LOOK_S: Final = 1.0  # a door without an engine is of no use, and harms nobody for a second


def open_door(settings: WorkerSettings, argv: list[str]) -> None:
    """Open the door that the settings ask for, if they do; ``argv`` is the worker's own.

    The port is bound before the engine loads, so that it is this worker's from the start.

    Raises:
        InvalidRequest: the address, a network or the identity's files are wrong.
        PortTaken: somebody else listens there.
    """
    if settings.tls_host is None or settings.tls_port is None or settings.identity is None:
        return
    listener = listen(settings.tls_host, settings.tls_port)
    door = _make(settings, listener)
    if settings.engine in BECOMING and sys.platform != "win32":  # there it stays this process
        _spawn(listener, argv)
        return
    door.start()


def keep_door(settings: WorkerSettings) -> None:
    """Be the process beside an engine: serve on the inherited socket until the engine ends.

    Raises:
        InvalidRequest: as ``open_door``.
    """
    descriptor, parent = settings.door_of or (-1, -1)
    threading.Thread(target=_leave_after, args=(parent,), name="parent", daemon=True).start()
    _make(settings, socket.socket(fileno=descriptor)).run()


def _make(settings: WorkerSettings, listener: socket.socket) -> Door:
    if settings.identity is None:
        raise InvalidRequest("--tls-port wants --identity.", param="--identity")
    try:
        return Door(
            listener,
            (settings.host, settings.port),
            identity=settings.identity,
            secret=read_key(settings.key_file),
            trusted=networks(settings.trust),
        )
    except OSError as error:
        raise InvalidRequest(
            f"The identity in {settings.identity} cannot be used: {error.strerror or error}.",
            remedy="Let the hive join the colony again.",
            param="--identity",
        ) from None


def _spawn(listener: socket.socket, argv: list[str]) -> None:
    """Start the process beside. It is this one's child, also after this one became the engine."""
    descriptor = listener.fileno()
    subprocess.Popen(
        [sys.executable, "-m", "rbee.worker", *argv, "--door-of", f"{descriptor},{os.getpid()}"],
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
    )


def _leave_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_LOOK_S)
    leave(WorkerExit.OK)
