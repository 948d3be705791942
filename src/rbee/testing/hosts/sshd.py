"""A real sshd for a host: its configuration and keys, for this host and no other.

Keys only, as rbee's own SSH side wants it. Every host has a host key of its own, so a
confused host is noticed; one key of the Lan's user opens the accounts that are asked for.
"""

import subprocess
from pathlib import Path
from typing import Final

from rbee.testing.hosts.files import ROOT_HOME, USER
from rbee.testing.hosts.needs import program

CONFIG: Final = """\
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
AuthorizedKeysFile .ssh/authorized_keys
AllowTcpForwarding yes
UseDNS no
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
"""
"""Debian's defaults otherwise: ten unauthenticated connections at once, ten sessions in each."""


def make_key(path: Path) -> str:
    """Make a key pair at ``path`` and ``path``.pub without a passphrase; gives the public one."""
    subprocess.run(
        [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return path.with_name(path.name + ".pub").read_text(encoding="utf-8").strip()


def preparations(authorized: str) -> str:
    """The script that readies a host for its sshd; ``authorized`` may log in as root and bee."""
    lines = [
        "rm -f /etc/ssh/ssh_host_* /etc/ssh/sshd_config.d/*",
        f"printf '%s' '{CONFIG}' > /etc/ssh/sshd_config",
        "ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key",
    ]
    for user, home in (("root", ROOT_HOME), (USER, f"/home/{USER}")):
        lines += [
            f"mkdir -p {home}/.ssh",
            f"printf '%s\\n' '{authorized}' > {home}/.ssh/authorized_keys",
            f"chmod 700 {home}/.ssh && chmod 600 {home}/.ssh/authorized_keys",
            f"chown -R {user}: {home}/.ssh",
        ]
    return "\n".join(lines)
