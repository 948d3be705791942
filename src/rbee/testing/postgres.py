"""A real PostgreSQL for the length of a block: its own data, a socket and nobody else.

The server's programs come from the system (Debian: ``postgresql``). It listens on
a socket in its own folder, never on the network. It refuses to run as root, so a
root test run starts it as the user that the package made, or as ``nobody``.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Final

START_WITHIN_S: Final = 30  # a second usually; initdb writes 40 MB
_DEBIAN: Final = Path("/usr/lib/postgresql")
_USERS: Final = ("postgres", "nobody")


class NoPostgres(Exception):
    """This machine has no PostgreSQL server; the message says what was looked for."""


class Server:
    """A running server: its URL, and what can befall it."""

    def __init__(self, url: str, control: list[str | Path], start: list[str | Path]) -> None:
        self.url = url
        self._control = control
        self._start = start

    def start(self) -> None:
        """Start it, also after a crash."""
        _run([*self._control, *self._start], _unprivileged())

    def crash(self) -> None:
        """End it at once, as a power cut would: the next start recovers from its log."""
        _run([*self._control, "-m", "immediate", "stop"], _unprivileged())


@contextlib.contextmanager
def postgres(*, safe: bool = False) -> Generator[Server]:
    """A server of one's own. ``safe`` waits for the disk as a real one does.

    Raises:
        NoPostgres: its programs are not installed, or nobody may run them.
    """
    programs = _programs()
    user = _unprivileged()
    # pytest's own temporary folders are closed to other users.
    home = Path(tempfile.mkdtemp(prefix="rbee-postgres-"))
    try:
        if user is not None:
            shutil.chown(home, user)
        data = home / "data"
        private = ["-U", "rbee", "-A", "trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
        _run([programs / "initdb", "-D", data, *private], user)
        options = f"-c listen_addresses='' -k {home} -c shared_buffers=16MB"
        server = Server(
            f"postgresql://rbee@/postgres?host={home}",
            control=[programs / "pg_ctl", "-D", data, "-w", "-t", str(START_WITHIN_S)],
            start=["-l", home / "log", "-o", options if safe else f"-F {options}", "start"],
        )
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(NoPostgres):  # a test may have left it crashed
                server.crash()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _programs() -> Path:
    """The folder of the newest installed version's programs."""
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise NoPostgres(f"no PostgreSQL server: neither {_DEBIAN}/*/bin nor PATH has initdb")
    return Path(found).resolve().parent


def _unprivileged() -> str | None:
    """The user to run it as; None for who runs the tests."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415  not on Windows

    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in _USERS:
        if name in known:
            return name
    raise NoPostgres("PostgreSQL does not run as root, and there is no other user")


def _run(argv: list[str | Path], user: str | None) -> None:
    done = subprocess.run(
        [str(word) for word in argv],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        user=user,
        extra_groups=None if user is None else [],
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")[-2000:]
        raise NoPostgres(f"{argv[0]} failed: {said}")
