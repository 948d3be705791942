"""One set of namespaces: network, files, processes, host name; and running programs in it.

A space lives as long as its first process (``pid_one``), and that one as long as the pipe
from the process that made it. Programs are entered with ``nsenter``, a child of ours, so
that they are waited for as any child; what they leave running dies with the space.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from rbee.testing.hosts import pid_one
from rbee.testing.hosts.needs import NoHosts, program
from rbee.testing.waiting import until_now

BUILD_WITHIN_S: Final = 30.0  # a tenth of a second usually; two busy cores need more
END_WITHIN_S: Final = 10.0  # the kernel kills at once; this bounds a machine that hangs
RUN_WITHIN_S: Final = 60.0  # what a test runs in a host ends in seconds
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_KINDS: Final = ("--mount", "--net", "--uts", "--ipc", "--pid")


class Process:
    """A program that runs in a space: ``nsenter`` outside, the program itself inside."""

    def __init__(self, outer: "subprocess.Popen[bytes]") -> None:
        self.outer = outer

    @property
    def pid(self) -> int:
        """The program's own process id, as seen from outside the space."""
        return self._inner().pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.outer.poll() is None

    def send(self, number: int) -> None:
        """Send a signal to the program; one that has ended takes none."""
        if self.running:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._inner().send_signal(number)
            if number == signal.SIGCONT:  # nsenter stops itself with the one it watches
                self.outer.send_signal(number)

    def wait(self, within_s: float = RUN_WITHIN_S) -> int:
        """Wait for its exit status; negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        return self.outer.wait(within_s)

    def kill(self) -> None:
        """End it as a power cut would, and wait for it."""
        self.send(signal.SIGKILL)
        self.send(signal.SIGCONT)
        self.outer.wait(END_WITHIN_S)

    def _inner(self) -> psutil.Process:
        seen = psutil.Process(self.outer.pid)
        until_now(lambda: seen.children() or not self.running)
        children = seen.children()
        if not children:
            raise psutil.NoSuchProcess(self.outer.pid)
        return children[0]


class Space:
    """Namespaces of their own, held by one process. ``script`` is run in them first.

    Raises:
        NoHosts: the script failed, or a program is missing.
    """

    def __init__(self, script: str) -> None:
        self._started: list[subprocess.Popen[bytes]] = []
        first = [sys.executable, "-I", "-S", pid_one.__file__]
        argv = [program("unshare"), *_KINDS, "--fork", "--kill-child", "--mount-proc"]
        # Errors of the script are read from the same pipe as the word that it stands.
        self._holder = subprocess.Popen(
            [*argv, "/bin/sh", "-euc", f'{script}\nexec "$@" 2>/dev/null', "sh", *first],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": PATH, "LANG": "C.UTF-8"},
            cwd="/",
        )
        try:
            self._await()
            self.pid = psutil.Process(self._holder.pid).children()[0].pid
        except BaseException:
            self.end()
            raise

    def _await(self) -> None:
        """Read until the first process says that it stands."""
        out = self._holder.stdout
        assert out is not None  # noqa: S101  it was asked for above
        said = b""
        while not said.endswith(pid_one.STANDS):
            ready, _, _ = select.select([out], [], [], BUILD_WITHIN_S)
            piece = os.read(out.fileno(), 65536) if ready else b""
            said += piece
            if not piece:
                raise NoHosts(f"a host did not come up: {said.decode(errors='replace')}")

    def entering(self, argv: Sequence[str | Path], *, directory: str = "/") -> list[str]:
        """The command line that runs ``argv`` in this space."""
        words = [program("nsenter"), "--target", str(self.pid), *_KINDS, f"--wd={directory}"]
        return [*words, "--", *(str(word) for word in argv)]

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        check: bool = True,
        within_s: float = RUN_WITHIN_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; text in, text out.

        Raises:
            AssertionError: with ``check``: its exit status is not 0; with all that it said.
            subprocess.TimeoutExpired: it did not end in time.
        """
        outer = subprocess.Popen(
            self.entering(argv),
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env or {"PATH": PATH, "LANG": "C.UTF-8"}),
        )
        try:
            out, err = outer.communicate(None if input is None else input.encode(), within_s)
        except BaseException:
            _kill_tree(outer)
            raise
        texts = (out.decode(errors="replace"), err.decode(errors="replace"))
        done = subprocess.CompletedProcess([str(word) for word in argv], outer.returncode, *texts)
        if check and done.returncode != 0:
            shown = " ".join(str(word) for word in argv)
            raise AssertionError(f"`{shown}`: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start(
        self, argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program and let it run; what it says goes to the end of ``log``."""
        with log.open("ab") as out:
            outer = subprocess.Popen(
                self.entering(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(env or {"PATH": PATH, "LANG": "C.UTF-8"}),
            )
        self._started.append(outer)
        return Process(outer)

    def ip(self, *commands: str) -> None:
        """Run these commands of ``ip``, one a line, in this space."""
        self.run([program("ip"), "-batch", "-"], input="\n".join(commands) + "\n")

    def join(self, device: str, other: "Space", far_device: str) -> None:
        """Lay a line: ``device`` here, its other end ``far_device`` there.

        Raises:
            NoHosts: the kernel refused.
        """
        # Process ids mean something else inside: only the network is entered here.
        enter = [program("nsenter"), "--target", str(self.pid), "--net", program("ip")]
        words = ["link", "add", device, "type", "veth", "peer", "name", far_device]
        done = subprocess.run(
            [*enter, *words, "netns", str(other.pid)], check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise NoHosts(f"no line between hosts: {done.stderr}")

    def path(self, inside: str) -> Path:
        """A file of the space as seen from outside; ``inside`` is absolute."""
        return Path(f"/proc/{self.pid}/root{inside}")

    @contextlib.contextmanager
    def network(self) -> Generator[None]:
        """In this block, sockets that this thread opens are of the space's network.

        They stay so afterwards. Other threads are not touched; nor are names looked up
        inside: use addresses.
        """
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter_network(there)
            try:
                yield
            finally:
                _enter_network(here)
        finally:
            os.close(here)
            os.close(there)

    def end(self) -> None:
        """End every process in it; the kernel removes the rest. Twice is as good as once."""
        for pipe in (self._holder.stdin, self._holder.stdout):
            if pipe is not None:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._holder.wait(END_WITHIN_S)
        self._holder.kill()
        self._holder.wait(END_WITHIN_S)
        while self._started:
            outer = self._started.pop()
            outer.send_signal(signal.SIGCONT)  # it stopped with a program that was stopped
            outer.wait(END_WITHIN_S)


def _kill_tree(outer: "subprocess.Popen[bytes]") -> None:
    """Kill a program with all that it started: killing nsenter alone would leave them."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(outer.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    outer.kill()
    outer.communicate()


_CLONE_NEWNET: Final = 0x40000000  # linux/sched.h; Python has a name for it from 3.12 on


def _enter_network(descriptor: int) -> None:
    """``setns``: os.setns exists from Python 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")
