"""The frame of a daemon: its sockets, its server, its end.

``rbee queen run`` and ``rbee hive run`` both live in here: bind first (so that a
taken port is told before anything starts), announce, serve until a signal or a
shutdown request, and let the room wind down in between.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import anyio
from starlette.types import ASGIApp

from rbee.errors import StartError
from rbee.foundation import logs
from rbee.foundation.addresses import is_loopback
from rbee.foundation.announcements import (
    Announcement,
    Room,
    announcement_path,
    find_announced,
)
from rbee.foundation.files import make_private_dir, write_struct
from rbee.foundation.http.certificates import Tls
from rbee.foundation.http.door import Rules as DoorRules
from rbee.foundation.http.door import trusted_networks
from rbee.foundation.http.server import DaemonServer, bind, make_server, port_of
from rbee.foundation.http.wire import Hot
from rbee.foundation.processes import mark

__all__ = ["Announcement", "Daemon", "Room", "Stop", "announcement_path", "find_announced"]

_log = logs.get(__name__)


class Stop:
    """How a daemon is asked to end. ``keep_workers`` matters to a hive alone.

    Asked once, it lets what runs come to its end; asked again, ``hurried`` is set.
    """

    def __init__(self) -> None:
        self._event = anyio.Event()
        self.hurried = anyio.Event()
        self.keep_workers = False

    def ask(self, *, keep_workers: bool = False) -> None:
        """Ask to end; asking again is impatience."""
        if self._event.is_set():
            self.hurried.set()
        else:
            self.keep_workers = keep_workers
            self._event.set()

    async def wait(self) -> None:
        """Return when somebody asked."""
        await self._event.wait()


class Daemon:
    """A bound port and the server on it."""

    def __init__(
        self,
        room: Room,
        host: str | None,
        port: int,
        *,
        tls: Tls | None = None,
        trusted: Iterable[str] = (),
    ) -> None:
        """Bind; without a host nothing listens, and connections come by other ways.

        Where others can reach the address, ``tls`` guards it, and plain HTTP is for this
        machine and the networks in ``trusted``. On loopback it is for a port that may be
        opened to others later (``listen_also``).

        Raises:
            PortTaken: says by whom.
            StartError: the address cannot be used.
            BadSettings: ``trusted`` holds something that is no network.
        """
        self.room: Room = room
        self.door = (
            None
            if host is None or (tls is None and is_loopback(host))
            else DoorRules(tls=tls or Tls(), trusted=trusted_networks(trusted))
        )
        self.sockets = [] if host is None else bind(host, port)
        self.port = port_of(self.sockets[0]) if self.sockets else 0
        self.base_url = f"http://{_url_host(host)}:{self.port}" if host is not None else ""
        self.pages_port: int | None = None
        self.stop = Stop()
        self.server: DaemonServer | None = None  # while it runs

    def open_pages(self, host: str, port: int | None) -> None:
        """A second port for what must be another origin than the first; before ``run``.

        Without ``port`` it is the one after the first, or any free one where that is taken.

        Raises:
            PortTaken: ``port`` was named, and another program has it.
        """
        try:
            more = bind(host, self.port + 1 if port is None else port)
        except StartError:
            if port is not None:
                raise
            more = bind(host, 0)
        self.sockets += more
        self.pages_port = port_of(more[0])

    async def listen_also(self, host: str) -> None:
        """Open the same port on another address of this machine; asked again, nothing happens.

        Raises:
            PortTaken: says by whom.
            StartError: it is no address of this machine.
        """
        if self.door is None or any(one.getsockname()[0] == host for one in self.sockets):
            return
        more = bind(host, self.port)
        self.sockets += more
        if self.server is not None and self.server.started:
            await self.server.listen(more)  # else it begins with all of them
        _log.info("listening too", address=host, port=self.port)

    async def run(
        self, app: ASGIApp, wind_down: Callable[[], Awaitable[None]], hot: Hot | None = None
    ) -> None:
        """Serve until asked to stop, then ``wind_down``, then close the server.

        ``hot`` is a way in before ``app``, for the paths that carry the load.
        The server still answers while the room winds down, so that streams end
        well and ``status`` can be asked.
        """
        self.server = server = make_server(app, hot, self.door)
        async with anyio.create_task_group() as watching:
            watching.start_soon(self._watch_signals)
            async with anyio.create_task_group() as serving:
                serving.start_soon(self._serve, server)
                announced = self._announce()
                _log.info("listening", url=self.base_url or "nowhere")
                try:
                    await self.stop.wait()
                    await wind_down()
                finally:
                    announced.unlink(missing_ok=True)
                    server.should_exit = True
            watching.cancel_scope.cancel()

    async def _serve(self, server: DaemonServer) -> None:
        await server.serve(sockets=self.sockets)

    async def _watch_signals(self) -> None:
        """SIGINT is a person's Ctrl+C: stop all. SIGTERM is a supervisor's: keep the workers."""
        if sys.platform == "win32":
            return  # asyncio has no signal handlers there; Ctrl+C raises KeyboardInterrupt
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                _log.info("signal", name=number.name)
                self.stop.ask(keep_workers=number == signal.SIGTERM)

    def _announce(self) -> Path:
        path = announcement_path(self.room)
        make_private_dir(path.parent)
        me = mark(os.getpid())
        if me is not None:  # a process sees itself everywhere but in odd sandboxes
            write_struct(
                path,
                Announcement(room=self.room, base_url=self.base_url, port=self.port, process=me),
            )
        return path


def _url_host(host: str) -> str:
    """A host for URLs that reaches a server bound to ``host`` from this machine."""
    if host in {"0.0.0.0", "::", "127.0.0.1"}:  # noqa: S104  compared, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host
