"""One host: programs run in it, its address, its sshd; what a test holds in its hands.

A host is a machine as rbee sees one: its own network with its own ports (the default ones
are free), host name, users, /home, /etc, /var and /tmp. It shares with all others the
machine's programs, the checkout and the processors.
"""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import httpx2
import psutil

from rbee.testing.hosts.files import ROOT_HOME
from rbee.testing.hosts.needs import program
from rbee.testing.hosts.space import PATH, RUN_WITHIN_S, Process, Space
from rbee.testing.waiting import until_now

_ONE_TRY_S: Final = 0.5  # a host answers within milliseconds; a lost SYN is sent again after 1 s
_SSHD_WITHIN_S: Final = 10.0  # a tenth of a second usually
_SCAN_TRY_S: Final = 0.5  # a refusal comes at once; this is for what is dropped
RBEE: Final = (sys.executable, "-m", "rbee")
"""The command line of ``rbee`` on any host."""


class Keys(NamedTuple):
    """A key pair for SSH: the private file, and the line for ``authorized_keys``."""

    private: Path
    public: str


class Host:
    """A host of a ``Lan``. ``address`` is its own; ``seen_as`` what the others see it as."""

    def __init__(
        self, name: str, space: Space, folder: Path, *, address: str, seen_as: str, port: int
    ) -> None:
        self.name = name
        self.space = space
        self.folder = folder
        self.address = address
        self.seen_as = seen_as
        self.port = port
        """The switch's port on which it hangs, a NAT's for a host behind one."""

    def __repr__(self) -> str:
        return f"Host({self.name!r}, {self.address})"

    @property
    def home(self) -> Path:
        """Root's home, from outside; it stays when the host has gone. Inside: /home/root."""
        return self.folder / "home" / "root"

    def path(self, inside: str) -> Path:
        """Any file of the host, from outside, while it runs; ``inside`` is absolute."""
        return self.space.path(inside)

    def env(self, **more: str) -> dict[str, str]:
        """The environment of its programs: nothing of the test's own but where rbee stands."""
        path = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        own = {"PATH": PATH, "HOME": ROOT_HOME, "USER": "root", "LANG": "C.UTF-8"}
        return {**own, **path, **more}

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        check: bool = True,
        within_s: float = RUN_WITHIN_S,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end, as root; ``env`` is added to the host's own.

        Raises:
            AssertionError: with ``check``: its exit status is not 0; with all that it said.
            subprocess.TimeoutExpired: it did not end in time; it was killed.
        """
        whole = self.env(**(env or {}))
        return self.space.run(argv, env=whole, input=input, check=check, within_s=within_s)

    def rbee(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        check: bool = True,
        within_s: float = RUN_WITHIN_S,
    ) -> "subprocess.CompletedProcess[str]":
        """Run the ``rbee`` command of this checkout on the host; as ``run``."""
        return self.run([*RBEE, *words], env=env, input=input, check=check, within_s=within_s)

    def start(
        self, argv: Sequence[str | Path], *, log: str, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program and let it run; what it says goes to ``folder/log``."""
        return self.space.start(argv, log=self.folder / log, env=self.env(**(env or {})))

    def sshd(self) -> Process:
        """Start the host's sshd and return when it answers, on port 22 of its address.

        The Lan's key opens root and bee, and nothing else does.

        Raises:
            AssertionError: it ended, or did not answer in time.
        """
        daemon = self.start([program("sshd"), "-D", "-e"], log="sshd.log")
        until_now(
            lambda: self.reaches("127.0.0.1", 22) or not daemon.running, within_s=_SSHD_WITHIN_S
        )
        if not daemon.running:
            said = (self.folder / "sshd.log").read_text(encoding="utf-8", errors="replace")
            raise AssertionError(f"sshd ended: {said}")
        return daemon

    def host_key(self) -> str:
        """The public key of its sshd, as ``known_hosts`` has it: type and base64."""
        text = self.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="utf-8")
        return " ".join(text.split()[:2])

    def reaches(self, address: str, port: int, *, within_s: float = _ONE_TRY_S) -> bool:
        """Whether a TCP connection from this host to there is accepted."""
        with self.network():
            return _accepts(address, port, within_s)

    def open_ports(self, address: str, ports: range = range(1, 65536)) -> set[int]:
        """Scan from this host: the TCP ports of ``address`` that accept a connection.

        All of them take two seconds where closed ports refuse, as they do without a firewall.
        """
        with self.network():
            return {number for number in ports if _accepts(address, number, _SCAN_TRY_S)}

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        key: str | None = None,
        body: object = None,
        within_s: float = RUN_WITHIN_S,
    ) -> httpx2.Response:
        """One HTTP request from this host; ``body`` goes as JSON.

        Raises:
            httpx2.TransportError: nobody answered.
        """
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if body is None:
            with self.network():
                return httpx2.request(method, url, headers=headers, timeout=within_s)
        with self.network():
            return httpx2.request(method, url, headers=headers, json=body, timeout=within_s)

    def processes(self) -> list[psutil.Process]:
        """Every process of the host, as the machine sees it; not its first one."""
        mine = Path(f"/proc/{self.space.pid}/ns/pid").readlink()
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if Path(f"/proc/{process.pid}/ns/pid").readlink() == mine:
                    found.append(process)
        return [process for process in found if process.pid != self.space.pid]

    def network(self) -> contextlib.AbstractContextManager[None]:
        """In this block, sockets that this thread opens are this host's; see ``Space.network``."""
        return self.space.network()


def _accepts(address: str, port: int, within_s: float) -> bool:
    """Whether a connection from this thread's network is accepted."""
    with socket.socket() as dialler:
        dialler.settimeout(within_s)
        try:
            dialler.connect((address, port))
        except OSError:
            return False
        return True
