"""A real SSH server of one's own for the length of a block: own keys, own account file, own port.

It runs OpenSSH's ``sshd`` as whoever runs the test, on loopback, and lets only that
account in, with the one key that was made for it. Its sessions get a HOME of their
own, so that an installation over it touches nothing. Debian: ``openssh-server``.
"""

import contextlib
import getpass
import os
import shutil
import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from rbee.testing.waiting import until_now
from rbee.testing.workers import free_port

_PLACES: Final = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_BANNER_WAIT_S: Final = 20.0  # milliseconds usually; seconds where two cores run many tests


class NoSshd(Exception):
    """This machine has no SSH server to start; the message says what was looked for."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A running server. ``ssh_home`` is a client's folder that may log in to it."""

    port: int
    user: str
    home: Path
    key: Path
    host_key: Path
    folder: Path

    @property
    def fingerprint(self) -> str:
        """Of its host key, as ``ssh-keygen -l`` says it."""
        return _keygen("-lf", self.host_key).split()[1]

    @property
    def known_line(self) -> str:
        """Its line in known_hosts."""
        kind, key = self.host_key.with_suffix(".pub").read_text().split()[:2]
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def config(self, name: str, more: str = "") -> str:
        """A ``Host`` block of ~/.ssh/config that leads to it."""
        return (
            f"Host {name}\n  HostName 127.0.0.1\n  Port {self.port}\n  User {self.user}\n"
            f"  IdentityFile {self.key}\n{more}"
        )


@contextlib.contextmanager
def sshd(
    folder: Path, *, path: str = _SYSTEM_PATH, env: Mapping[str, str] = {}, lines: str = ""
) -> Generator[Server]:
    """A server whose sessions have ``folder/home`` as HOME and ``path`` as PATH.

    Raises:
        NoSshd: its program is not installed.
    """
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:{_PLACES}")
    if program is None or shutil.which("ssh-keygen") is None:
        raise NoSshd("no sshd on this machine (Debian: openssh-server)")
    home = folder / "home"
    home.mkdir(parents=True)
    for name in ("host_key", "key"):
        _keygen("-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name)
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    port = free_port()
    settings = {"HOME": str(home), "PATH": path, **env}
    words = " ".join(f'"{name}={value}"' for name, value in settings.items())
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        f"PermitTTY no\nSetEnv {words}\n{lines}"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where a server of root's locks itself in
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-D", "-e", "-f", folder / "sshd_config"],
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        until_now(
            lambda: b"Server listening" in (folder / "sshd.log").read_bytes(),
            within_s=_BANNER_WAIT_S,
        )
        yield Server(
            port=port,
            user=getpass.getuser(),
            home=home,
            key=folder / "key",
            host_key=folder / "host_key",
            folder=folder,
        )
    finally:
        process.terminate()
        process.wait()


def _keygen(*words: str | Path) -> str:
    program = shutil.which("ssh-keygen") or "ssh-keygen"
    return subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout
