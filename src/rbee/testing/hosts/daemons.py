"""Queens and hives on hosts: started as users do, asked, stopped, hung, pulled from the plug.

Directories are the defaults below the host's /home/root and ports the default ones: every
host has them for itself. What a test sets comes as ``RBEE_*`` variables.
"""

import contextlib
import signal
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final, Literal, Self

import httpx2
import psutil

from rbee.testing.hosts.host import RBEE, Host
from rbee.testing.hosts.space import Process
from rbee.testing.waiting import until_now

Room = Literal["queen", "hive"]

START_WITHIN_S: Final = 30.0  # half a second usually; two busy cores need more
END_WITHIN_S: Final = 15.0  # a hive drains its workers first
_PORTS: Final = {"queen": 7833, "hive": 7835}  # wire.md


class Daemon:
    """One queen or hive on a host. ``settings`` and ``more`` become ``RBEE_QUEEN_…`` or ``RBEE_HIVE_…``.

    ``key`` is the colony's key, if it is to know one. A second ``Daemon`` of the same room
    on the same host is a successor: it has the same directories.
    """

    def __init__(
        self,
        host: Host,
        room: Room,
        *,
        key: str | None = None,
        settings: Mapping[str, str | int] | None = None,
        **more: str | int,
    ) -> None:
        chosen = {**(settings or {}), **more}
        self.host = host
        self.room = room
        self.key = key
        self.port = int(chosen.get("port", _PORTS[room]))
        self.log = host.folder / f"{room}.log"
        self.env = {f"RBEE_{room}_{name}".upper(): str(value) for name, value in chosen.items()}
        if key is not None:
            self.env["RBEE_API_KEY"] = key
        self._process: Process | None = None

    def start(self, *, wait: bool = True) -> Self:
        """Start it; with ``wait`` return when it answers on the host's own loopback.

        Raises:
            AssertionError: it ended, or did not answer in time; with its log.
        """
        self._process = self.host.start([*RBEE, self.room, "run"], log=self.log.name, env=self.env)
        if wait:
            self.wait_healthy()
        return self

    def wait_healthy(self) -> None:
        """Return when ``/health`` answers.

        Raises:
            AssertionError: as ``start``.
        """

        def healthy() -> bool:
            if not self.process.running:
                raise AssertionError(f"the {self.room} of {self.host.name} ended:\n{self.said}")
            with contextlib.suppress(httpx2.TransportError):
                answer = self.host.ask(f"http://127.0.0.1:{self.port}/health")
                return answer.status_code == HTTPStatus.OK
            return False

        try:
            until_now(healthy, within_s=START_WITHIN_S)
        except TimeoutError:
            raise AssertionError(
                f"the {self.room} of {self.host.name} does not answer:\n{self.said}"
            ) from None

    @property
    def process(self) -> Process:
        """The running program; only after ``start``."""
        assert self._process is not None, f"the {self.room} was not started"  # noqa: S101  a test kit
        return self._process

    @property
    def said(self) -> str:
        """Its log so far."""
        with contextlib.suppress(OSError):
            return self.log.read_text(encoding="utf-8", errors="replace")
        return ""

    @property
    def data(self) -> Path:
        """Its data folder, from outside."""
        return self.host.home / ".local" / "share" / "rbee"

    def hang(self) -> None:
        """Stop it in its tracks: its sockets stay open, nothing answers."""
        self.process.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after ``hang``."""
        self.process.send(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut would; a hive's workers go on."""
        self.process.kill()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to end and wait; SIGINT stops a hive's workers, SIGTERM leaves them."""
        self.process.send(number)
        return self.process.wait(END_WITHIN_S)

    def workers(self) -> dict[int, str]:
        """The worker processes (engines, not shims) on its host: process id to command line."""
        return workers_on(self.host)


def workers_on(host: Host) -> dict[int, str]:
    """The engines' processes on a host, by the process id that the machine knows."""
    found: dict[int, str] = {}
    for process in host.processes():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if any(words[at : at + 2] == ["-m", "rbee.worker"] for at in range(len(words))):
                found[process.pid] = " ".join(words)
    return found
