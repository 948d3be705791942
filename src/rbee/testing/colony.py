"""Real daemons for tests: a queen, hives, their workers, each in its own process.

``Colony`` gives its daemons directories and ports of their own, starts them as
users do (``python -m rbee hive run``), waits until they answer, and at the end
leaves no process behind: daemons are asked, then killed, and whatever carries
the mark of the colony's directories is ended.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import httpx2
import psutil

from rbee.hive.engines.engine import WORKER_DIRECTORY_VARIABLE
from rbee.hive.isolation.probe import sweep
from rbee.testing.waiting import until_now
from rbee.testing.workers import free_port

Room = Literal["queen", "hive"]

START_WITHIN_S = 30.0  # half a second usually; two busy cores need more
END_WITHIN_S = 15.0  # a hive drains its workers first


class DaemonUnderTest:
    """One queen or hive: start it, ask it, stop or kill it, start it again."""

    def __init__(self, room: Room, port: int, env: Mapping[str, str], directory: Path) -> None:
        self.room = room
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.env = dict(env)
        self.data = Path(env["RBEE_DATA_DIR"])
        self.log = directory / f"{room}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> Self:
        """Start it; with ``wait`` return when it answers.

        Raises:
            AssertionError: it ended, or did not answer in time; with its log.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rbee", self.room, "run"],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait_healthy()
        return self

    def wait_healthy(self) -> None:
        """Return when ``/health`` answers.

        Raises:
            AssertionError: as ``start``.
        """

        def healthy() -> bool:
            if self.process is None or self.process.poll() is not None:
                raise AssertionError(f"the {self.room} ended:\n{self.said}")
            with contextlib.suppress(httpx2.TransportError):
                return httpx2.get(f"{self.url}/health", timeout=2).status_code == HTTPStatus.OK
            return False

        try:
            until_now(healthy, within_s=START_WITHIN_S)
        except TimeoutError:
            raise AssertionError(f"the {self.room} does not answer:\n{self.said}") from None

    @property
    def said(self) -> str:
        """Its log so far."""
        with contextlib.suppress(OSError):
            return self.log.read_text(encoding="utf-8", errors="replace")
        return ""

    @property
    def pid(self) -> int:
        """Its process id; only while it runs."""
        assert self.process is not None, f"the {self.room} was not started"  # noqa: S101  a test kit
        return self.process.pid

    def send(self, number: int) -> None:
        """Send a signal to the daemon's process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait_end(self, within_s: float = END_WITHIN_S) -> int:
        """Wait for its exit status."""
        assert self.process is not None, f"the {self.room} was not started"  # noqa: S101  a test kit
        return self.process.wait(within_s)

    def kill(self) -> None:
        """End it as a power cut would; its workers go on."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to end and wait; SIGINT stops a hive's workers, SIGTERM leaves them."""
        self.send(number)
        return self.wait_end()


class Colony:
    """A queen and hives for one test. Use as a context manager.

    ``root`` is an empty directory. ``scripted`` offers the scripted engine.
    Settings are given to ``hive`` and ``queen`` as ``RBEE_*`` variables.
    """

    def __init__(self, root: Path, *, scripted: bool = True, key: str | None = None) -> None:
        self.root = root
        self.key = key
        self._scripted = scripted
        self._queen_port = free_port()
        self._daemons: list[DaemonUnderTest] = []

    def __enter__(self) -> Self:
        """Nothing runs yet: ask for a queen or a hive."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything that this colony started."""
        for daemon in self._daemons:
            daemon.kill()
        left = self.worker_processes()
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=END_WITHIN_S)
        for data in {daemon.data for daemon in self._daemons if daemon.room == "hive"}:
            sweep(data / "hive" / "workers")

    def hive(self, name: str = "hive", *, start: bool = True, **settings: str) -> DaemonUnderTest:
        """A hive with directories of its own; ``settings`` become ``RBEE_HIVE_…``.

        The name is its id. Asking for the same name again gives another daemon
        on the same directories: a successor.
        """
        port = free_port()
        chosen = {
            "hive_id": name,
            "port": str(port),
            "queen_url": f"http://127.0.0.1:{self._queen_port}",
            "first_worker_port": str(free_port()),
            "scripted_engine": "1" if self._scripted else "0",
            **settings,
        }
        return self._daemon("hive", name, port, chosen, start=start)

    def queen(self, *, start: bool = True, **settings: str) -> DaemonUnderTest:
        """The queen that this colony's hives know; ``settings`` become ``RBEE_QUEEN_…``."""
        chosen = {"port": str(self._queen_port), "pages_port": "0", **settings}
        return self._daemon("queen", "queen", self._queen_port, chosen, start=start)

    def worker_processes(self) -> list[psutil.Process]:
        """Every engine and shim of this colony that still runs."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                marked = process.environ().get(WORKER_DIRECTORY_VARIABLE, "")
                words = [marked, *process.cmdline()]
                ours = any(word.startswith(str(self.root)) for word in words)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        known = {daemon.process.pid for daemon in self._daemons if daemon.process is not None}
        return [process for process in found if process.pid not in known]

    def _daemon(
        self, room: Room, name: str, port: int, settings: Mapping[str, str], *, start: bool
    ) -> DaemonUnderTest:
        home = self.root / name
        home.mkdir(parents=True, exist_ok=True)
        env = {name: value for name, value in os.environ.items() if not name.startswith("RBEE_")}
        env |= {f"RBEE_{which}_DIR": str(home / which.lower()) for which in _DIRECTORIES}
        env |= _NOT_ON_THE_NETWORK
        env |= {f"RBEE_{room}_{name}".upper(): value for name, value in settings.items()}
        if self.key is not None:
            env["RBEE_API_KEY"] = self.key
        daemon = DaemonUnderTest(room, port, env, home)
        self._daemons.append(daemon)
        return daemon.start() if start else daemon


_NOT_ON_THE_NETWORK = {"RBEE_QUEEN_ANNOUNCE": "0", "RBEE_HIVE_DISCOVER": "0"}
"""Colonies of tests that run side by side must not find each other."""

_DIRECTORIES = ("CONFIG", "CACHE", "DATA")
