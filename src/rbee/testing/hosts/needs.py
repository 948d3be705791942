"""What hosts in namespaces need of this machine, and what of it is not there.

Tests ask ``missing`` and skip with its answer; ``Lan`` raises ``NoHosts`` with it.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

PROGRAMS: Final = {
    "ip": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "useradd": "passwd",
}
"""Each program, and Debian's package that has it."""

# Programs of the system stand here too; the PATH of a plain user does not name these.
_SYSTEM_PLACES: Final = "/usr/local/sbin:/usr/sbin:/sbin"
# The kernel's answer comes in milliseconds; this only bounds a machine that hangs.
_TRIAL_S: Final = 20.0
_TRIAL: Final = (
    "mount --make-rprivate / && mount -t tmpfs none /mnt && mkdir /mnt/up /mnt/work && "
    "mount -t overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work overlay /etc && "
    "ip link add trial type veth peer name lairt && ip link add bridge0 type bridge && "
    "nft add table bridge trial && tc qdisc add dev trial root tbf rate 1mbit burst 16kb latency 1s"
)


class NoHosts(Exception):
    """This machine cannot have hosts in namespaces; the message says why."""


def program(name: str) -> str:
    """Where a program stands.

    Raises:
        NoHosts: it is not installed.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PLACES}")
    if found is None:
        raise NoHosts(f"hosts in namespaces need `{name}` (Debian: {PROGRAMS[name]})")
    return found


@functools.cache
def missing() -> str | None:
    """Why this machine cannot have hosts in namespaces; None: it can."""
    if sys.platform != "linux":
        return "hosts in namespaces need Linux"
    if os.geteuid() != 0:
        return "hosts in namespaces need root"
    if not Path("/dev/net/tun").exists():
        return "hosts in namespaces need /dev/net/tun"
    try:
        found = {name: program(name) for name in PROGRAMS}
    except NoHosts as lack:
        return str(lack)
    argv = [found["unshare"], "--mount", "--net", "--pid", "--fork", "--mount-proc"]
    places = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PLACES}"
    trial = subprocess.run(
        [*argv, "/bin/sh", "-c", _TRIAL],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TRIAL_S,
        env={"PATH": places},
    )
    if trial.returncode == 0:
        return None
    return f"hosts in namespaces: the kernel refuses: {trial.stderr.decode().strip()}"
