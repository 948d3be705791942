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


@contextlib.contextmanager
def postgres() -> Generator[str]:
    """A server of one's own; gives its URL.

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
        control = [programs / "pg_ctl", "-D", data, "-w", "-t", str(START_WITHIN_S)]
        options = f"-F -c listen_addresses='' -k {home} -c shared_buffers=16MB"
        _run([*control, "-l", home / "log", "-o", options, "start"], user)
        try:
            yield f"postgresql://rbee@/postgres?host={home}"
        finally:
            _run([*control, "-m", "immediate", "stop"], user)
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
