"""What a host's own files are: a script of mounts, written as text before it is run.

The machine's programs and the checkout are seen as they are. /etc, /var, /opt, /root and
/usr/local can be written, and what is written is gone with the host; /run, /tmp, /dev/shm
and /sys are new, so no system manager, socket or control group of the machine is seen.
/home is a folder that the test names: it can be read when the host is gone.
"""

import shlex
import sys
from pathlib import Path
from typing import Final

USER: Final = "bee"
"""A user without rights, beside root; his home is /home/bee."""
ROOT_HOME: Final = "/home/root"
"""Root's home: the machine's own /root belongs to who runs the tests."""

# /root is among them so that others may pass through it: in it stands the interpreter,
# where someone built his own, and a virtual environment points there.
_WRITABLE: Final = ("etc", "var", "opt", "usr/local", "root")
_STAGE: Final = "/mnt"  # every Linux has it, and nothing of rbee looks into it


def mounts(name: str, home: Path) -> str:
    """The script that makes the files of a host called ``name``; run as its first program."""
    new_home = shlex.quote(str(home))
    lines = [
        "mount --make-rprivate /",
        f"mount -t tmpfs -o mode=755 rbee-host {_STAGE}",
        *(line for place in _WRITABLE for line in _writable(place)),
        f"mkdir -p {new_home}",
        f"mount --bind {new_home} /home",
        "mount -t tmpfs -o mode=755 rbee-run /run",
        "mkdir -p /run/sshd /run/lock",
        "mount -t sysfs -o ro sysfs /sys",
        "mount -t tmpfs -o mode=1777 rbee-shm /dev/shm",
        # Last: the folder for /home may stand in the machine's own /tmp.
        "mount -t tmpfs -o mode=1777 rbee-tmp /tmp",
        f"echo {shlex.quote(name)} > /proc/sys/kernel/hostname",
        "ip link set lo up",
    ]
    return "\n".join([*lines, *_names(name), *_users(), *_python()])


def _writable(place: str) -> list[str]:
    up, work = f"{_STAGE}/{place}/up", f"{_STAGE}/{place}/work"
    return [
        f"mkdir -p {up} {work}",
        f"chmod 755 {up}",
        f"mount -t overlay -o lowerdir=/{place},upperdir={up},workdir={work} overlay /{place}",
    ]


def _names(name: str) -> list[str]:
    """Names come from /etc/hosts alone: a question to a name server would wait for nobody."""
    return [
        f"echo {shlex.quote(name)} > /etc/hostname",
        "rm -f /etc/resolv.conf && : > /etc/resolv.conf",
        "rm -f /etc/nsswitch.conf",
        "printf 'passwd: files\\ngroup: files\\nshadow: files\\nhosts: files\\n' > /etc/nsswitch.conf",
        "rm -f /etc/machine-id && cat /proc/sys/kernel/random/uuid | tr -d - > /etc/machine-id",
    ]


def _users() -> list[str]:
    return [
        f"sed -i 's#^\\(root:[^:]*:0:0:[^:]*\\):[^:]*:#\\1:{ROOT_HOME}:#' /etc/passwd",
        f"mkdir -p {ROOT_HOME} && chmod 700 {ROOT_HOME}",
        # `*`: no password fits, yet the account is not locked, which sshd would refuse.
        f"id -u {USER} >/dev/null 2>&1 || useradd -M -s /bin/bash -p '*' {USER}",
        f"mkdir -p /home/{USER} && chown -R {USER}: /home/{USER} && chmod 700 /home/{USER}",
    ]


def _python() -> list[str]:
    """A `python3` on every user's PATH, as a machine that is to get a hive has one."""
    real = Path(sys.base_prefix) / "bin" / "python3"
    return [
        f"[ -e /usr/local/bin/python3 ] || ln -s {shlex.quote(str(real))} /usr/local/bin/python3"
    ]
