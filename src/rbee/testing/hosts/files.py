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

import rbee

USER: Final = "bee"
"""A user without rights, beside root; his home is /home/bee."""
ROOT_HOME: Final = "/home/root"
"""Root's home: the machine's own /root belongs to who runs the tests."""

# /root is among them so that others may pass through it: in it stands the interpreter,
# where someone built his own, and a virtual environment points there.
_WRITABLE: Final = ("etc", "var", "opt", "usr/local", "root")
_STAGE: Final = "/mnt"  # every Linux has it, and nothing of rbee looks into it


# What is new on every host, and how it is made. /home comes from the test's own folder.
_NEW: Final = {
    "/home": "--bind {home}",
    "/run": "-t tmpfs -o mode=755 rbee-run",
    "/dev/shm": "-t tmpfs -o mode=1777 rbee-shm",  # noqa: S108  the host's own
    "/tmp": "-t tmpfs -o mode=1777 rbee-tmp",  # noqa: S108  the host's own
}


def mounts(name: str, home: Path) -> str:
    """The script that makes the files of a host called ``name``; run as its first program."""
    lines = [
        "mount --make-rprivate /",
        f"mount -t tmpfs -o mode=755 rbee-host {_STAGE}",
        *(line for place in _WRITABLE for line in _writable(place)),
        f"mkdir -p {shlex.quote(str(home))}",
        *(line for place, how in _NEW.items() for line in _new(place, how, home)),
        "mkdir -p /run/sshd /run/lock",
        "mount -t sysfs -o ro sysfs /sys",
        f"echo {shlex.quote(name)} > /proc/sys/kernel/hostname",
        "ip link set lo up",
    ]
    return "\n".join([*lines, *_names(name), *_users(), *_python()])


def _new(place: str, how: str, home: Path) -> list[str]:
    """Put something new over a place, with what programs need of the old one still in it."""
    stage = f"{_STAGE}/new{place}"
    lines = [f"mkdir -p {stage}", f"mount {how.format(home=shlex.quote(str(home)))} {stage}"]
    for kept in _kept():
        if kept.is_relative_to(place):
            there = shlex.quote(f"{_STAGE}/new{kept}")
            lines += [f"mkdir -p {there}", f"mount --bind {shlex.quote(str(kept))} {there}"]
    return [*lines, f"mount --rbind {stage} {place}"]


def _kept() -> list[Path]:
    """Where the programs of the test stand: the interpreter, its environment, the checkout."""
    found = {Path(sys.base_prefix), Path(sys.prefix), Path(rbee.__file__).parents[2]}
    return [path for path in sorted(found) if not found & set(path.parents)]


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
