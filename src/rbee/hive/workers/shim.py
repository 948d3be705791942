"""The parent of one engine process: it stays when the hive goes.

Run as ``python -I -S shim.py <worker dir>``: this file and the standard library,
nothing of rbee, so that it starts in some 20 ms, needs some 8 MiB and cannot be
broken by anything that the hive is broken by. ``workers/launching`` starts it,
one per worker process; it starts the engine and tells of it in files:

``launch.json``  in   argv and environment of the engine, and the limits below
``engine.json``  out  {pid, started_at, shim_pid}, as soon as the engine runs
``exit.json``    out  {code, signal, ended_at, orphaned, out_of_memory, error}, at its end

The rules: nothing secret stands in an argv; the engine's group is its own, so
that its whole tree can be ended; no engine lives on when no hive has checked in
(touched ``alive``) for ``orphan_s``. A hive that comes back in time finds its
worker where it left it. The engine joins the cgroups that the hive made for it
before it becomes the engine; the shim stays outside, so that an engine that is
killed for its memory is told of. Files are replaced in one step, never half written.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

LOOK_EVERY_S = 10.0  # how often the hive's sign of life is looked at; 600 s is the limit
KILL_WAIT_S = 5.0  # a killed process that is still there waits for its disk; nothing more to do
_OWN_GROUP_ON_WINDOWS = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
CGROUPS = Path("/sys/fs/cgroup")
UNIT_PREFIX = "rbee-"  # hive/isolation names the units of its workers so
PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
LAUNCH_FAILED = 127  # the shell's number for a program that cannot be started


class Orphanhood:
    """Decides, without a clock of its own, whether the hive has been away too long.

    Only changes of the sign's time count, measured on the monotonic clock: a
    machine that slept, or whose date was set, orphans nobody.
    """

    def __init__(self, orphan_s: float, now_s: float) -> None:
        self._orphan_s = orphan_s
        self._sign: float | None = None
        self._seen_s = now_s

    def look(self, sign: float | None, now_s: float) -> bool:
        """Take the sign's modification time (None: no file); True when it is too old."""
        if sign is not None and sign != self._sign:
            self._sign = sign
            self._seen_s = now_s
        return now_s - self._seen_s > self._orphan_s


class Shim:
    """One engine process and what is told of it."""

    def __init__(self, directory: Path, launch: Mapping[str, Any]) -> None:
        self._directory = directory
        self._launch = launch
        self._orphan = Orphanhood(float(launch["orphan_s"]), time.monotonic())
        self._stop_asked = False
        self._orphaned = False
        self._cgroups = [Path(each) for each in launch.get("cgroups", [])]
        # Signals and the engine's end wake the main thread through a socket: a
        # lock that a signal handler needs could be held by the very thread it
        # interrupts, and select() takes only sockets on Windows.
        self._bell, self._ear = socket.socketpair()

    def run(self) -> int:
        """Start the engine, wait for its end, tell of it. Returns the shim's own status."""
        self._bell.setblocking(False)  # noqa: FBT003  the stdlib names it by position
        signal.set_wakeup_fd(self._bell.fileno())
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        if sys.platform == "win32":
            signal.signal(signal.SIGBREAK, self._on_stop)
        try:
            engine = self._start()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._tell_exit(LAUNCH_FAILED, error=str(error))
            return LAUNCH_FAILED
        try:
            word = {"pid": engine.pid, "started_at": time.time(), "shim_pid": os.getpid()}
            write_json(self._directory / "engine.json", word)
        except OSError as error:  # a full disk: an engine that nobody can be told of must not run
            end(engine, 0.0)
            self._tell_exit(LAUNCH_FAILED, error=str(error))
            return LAUNCH_FAILED
        self._wait(engine)
        end_group(engine)  # whatever the engine started and left behind
        starved = any(was_starved(path) for path in (*self._cgroups, *own_memory_cgroups()))
        end_cgroups(self._cgroups)
        self._tell_exit(engine.returncode, starved=starved)
        return 0

    def _start(self) -> "subprocess.Popen[bytes]":
        confine = None if sys.platform == "win32" else self._confine
        with Path(self._launch["log"]).open("ab") as log:
            return subprocess.Popen(
                self._launch["argv"],
                env=self._launch["env"],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=None if sys.platform == "win32" else 0,
                creationflags=_OWN_GROUP_ON_WINDOWS,
                # No other thread runs yet.
                preexec_fn=confine,  # noqa: PLW1509
            )

    def _confine(self) -> None:
        """Confine the child: it is not the engine yet."""
        for path in self._cgroups:
            (path / "cgroup.procs").write_text(str(os.getpid()))
        forbid_core_dumps()
        if self._launch.get("no_new_privileges"):
            forbid_new_privileges()

    def _wait(self, engine: "subprocess.Popen[bytes]") -> None:
        """Return when the engine has ended, by itself or because it had to."""
        alive = Path(self._launch["alive"])
        look_every_s = min(LOOK_EVERY_S, float(self._launch["orphan_s"]) / 4)
        waiter = threading.Thread(target=self._wake_at_exit, args=(engine,), daemon=True)
        waiter.start()
        while engine.poll() is None:
            if select.select([self._ear], [], [], look_every_s)[0]:
                self._ear.recv(16)
            if self._stop_asked:
                break
            if self._orphan.look(_modified(alive), time.monotonic()):
                self._orphaned = True
                break
        if engine.poll() is None:
            end(engine, float(self._launch["stop_s"]))

    def _wake_at_exit(self, engine: "subprocess.Popen[bytes]") -> None:
        engine.wait()
        self._bell.send(b"x")

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_asked = True

    def _tell_exit(self, status: int, *, error: str | None = None, starved: bool = False) -> None:
        word = {
            "code": status if status >= 0 else None,
            "signal": -status if status < 0 else None,
            "ended_at": time.time(),
            "orphaned": self._orphaned,
            "out_of_memory": starved and status == -signal.SIGKILL,
            "error": error,
        }
        with contextlib.suppress(OSError):  # a full disk: the hive says that it ended unseen
            write_json(self._directory / "exit.json", word)


def end(engine: "subprocess.Popen[bytes]", stop_s: float) -> None:
    """Ask the engine to end; kill its whole group when it has not after ``stop_s``."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            engine.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            engine.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        engine.wait(stop_s)
    end_group(engine)
    with contextlib.suppress(subprocess.TimeoutExpired):
        engine.wait(KILL_WAIT_S)


def end_group(engine: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the engine's group."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            engine.kill()
        else:
            os.killpg(engine.pid, signal.SIGKILL)


def end_cgroups(cgroups: Sequence[Path]) -> None:
    """Kill what is left in the engine's cgroups, be it in a session of its own; remove them."""
    for path in cgroups:
        until_s = time.monotonic() + KILL_WAIT_S
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError, ValueError):
                for pid in (path / "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
            try:
                path.rmdir()
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.01)  # a killed process leaves its cgroup some ms later
            else:
                break


def was_starved(cgroup: Path) -> bool:
    """Whether the system killed somebody in ``cgroup`` for its memory: v2's file, else v1's."""
    for name in ("memory.events", "memory.oom_control"):
        with contextlib.suppress(OSError, ValueError):
            for line in (cgroup / name).read_text().splitlines():
                word, _, number = line.partition(" ")
                if word == "oom_kill":
                    return int(number) > 0
    return False


def own_memory_cgroups() -> list[Path]:
    """The cgroup that counts our own memory when it is a unit of our own; else none."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if path.rpartition("/")[2].startswith(UNIT_PREFIX):
            if controllers == "":
                found.append(CGROUPS / path.lstrip("/"))
            elif "memory" in controllers.split(","):
                found.append(CGROUPS / "memory" / path.lstrip("/"))
    return found


def forbid_core_dumps() -> None:
    """No dump of this process: its memory holds prompts."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415  there is none on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def forbid_new_privileges() -> None:
    """No program that it starts gets more rights than it has, set-uid or not."""
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError("the system refuses no_new_privs")


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Replace ``path`` in one step, readable by this user alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def main(argv: list[str]) -> int:
    """Read the worker's directory from the command line and run."""
    directory = Path(argv[1])
    try:
        launch = json.loads((directory / "launch.json").read_bytes())
        return Shim(directory, launch).run()
    except (OSError, ValueError, KeyError) as error:
        print(f"rbee shim: {directory}: {error}", file=sys.stderr)
        return LAUNCH_FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv))
