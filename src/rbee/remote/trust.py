"""Which keys a machine may show: known_hosts, and the first contact.

The rule: a machine is only talked to under a key that known_hosts holds. A new
one is shown as a fingerprint and accepted by the operator, or by the flags
``--fingerprint`` and ``--accept-new-host``, and then written down; a changed one
is refused, whatever the flags say.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from rbee.foundation.files import PRIVATE_FILE_MODE, make_private_dir
from rbee.remote.troubles import HostNotTrusted

if TYPE_CHECKING:  # asyncssh takes a third of a second to load; see `ssh`
    from asyncssh import SSHKey

SSH_PORT: Final = 22  # RFC 4250
GLOBAL_FILES: Final = ("/etc/ssh/ssh_known_hosts",)

Ask = Callable[[str, str], bool]
"""Shown a machine's name and its key's fingerprint; whether it is accepted."""


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says of unknown machines.

    ``fingerprint`` accepts exactly that key (``SHA256:…``), ``accept_new`` any key of
    a machine that is not known yet; ``ask`` is null where nobody can be asked.
    """

    fingerprint: str | None = None
    accept_new: bool = False
    ask: Ask | None = None


class OwnKey(msgspec.Struct, frozen=True, kw_only=True):
    """A program's own way in: this key alone, no agent, no ~/.ssh; ``known_hosts`` is its own."""

    file: Path
    known_hosts: Path


def known_hosts_files(configured: Sequence[str] | None) -> list[Path]:
    """The files that count, the one for new machines first.

    ``configured`` is what ``UserKnownHostsFile`` and ``GlobalKnownHostsFile`` say. An
    empty list (``none``) is not obeyed: it would switch the check off.
    """
    user = [Path(name).expanduser() for name in configured or ()]
    user = [path for path in user if path != Path(os.devnull)]
    if not user:
        user = [Path("~/.ssh/known_hosts").expanduser()]
    return [*user, *(Path(name) for name in GLOBAL_FILES)]


def read_known(files: Sequence[Path]) -> bytes:
    """Their lines together; a file that is not there has none."""
    found: list[bytes] = []
    for path in files:
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return b"\n".join(found)


def entry_name(host: str, port: int) -> str:
    """How known_hosts calls a machine: the port is written where it is not the usual one."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def accept(name: str, key: "SSHKey", trust: Trust) -> None:
    """Decide on a machine that is met for the first time.

    Raises:
        HostNotTrusted: it is not accepted; carries its fingerprint.
    """
    found = key.get_fingerprint()
    if trust.fingerprint is not None:
        if _same(trust.fingerprint, found):
            return
        raise HostNotTrusted(
            f"{name} shows the key {found}, and not {trust.fingerprint}.",
            remedy="Somebody may stand in between: compare it at the machine's own console "
            "(`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`).",
        )
    if trust.accept_new or (trust.ask is not None and trust.ask(name, found)):
        return
    raise HostNotTrusted(
        f"{name} is not known here yet; its key is {found}.",
        remedy="Compare it at the machine's own console, then add "
        f"`--fingerprint {found}` (or `--accept-new-host` to take any).",
    )


def write_down(file: Path, entry: str, key: "SSHKey") -> None:
    """Add an accepted key to known_hosts.

    Raises:
        HostNotTrusted: the file cannot be written, so the key would be new again next time.
    """
    line = f"{entry} ".encode() + key.export_public_key("openssh").strip() + b"\n"
    try:
        make_private_dir(file.parent)
        old = file.read_bytes() if file.exists() else b""
        gap = b"" if not old or old.endswith(b"\n") else b"\n"
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE_MODE)
        with os.fdopen(descriptor, "ab") as out:
            out.write(gap + line)
    except OSError as error:
        raise HostNotTrusted(
            f"The key of {entry} cannot be written to {file}: {error.strerror}.",
            remedy="Correct the file's permissions and try again.",
        ) from None


def changed(name: str, shown: str | None, files: Sequence[Path], entry: str) -> HostNotTrusted:
    """The error for a machine that shows another key than the one that is known."""
    said = f" It shows {shown}." if shown else ""
    return HostNotTrusted(
        f"{name} shows another key than the one known in {files[0]}: it was set up anew, "
        f"or somebody stands in between.{said}",
        remedy=f"If it was set up anew: `ssh-keygen -R '{entry}' -f {files[0]}`, then try again "
        "and compare the fingerprint.",
    )


def _same(wanted: str, found: str) -> bool:
    """``SHA256:`` may be left out, and trailing ``=`` too."""
    return wanted.removeprefix("SHA256:").rstrip("=") == found.removeprefix("SHA256:").rstrip("=")
