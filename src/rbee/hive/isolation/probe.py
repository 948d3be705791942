"""Find out, once at a hive's start, what this machine can enforce for its workers."""

import hashlib
import sys
from pathlib import Path

from rbee.foundation import logs
from rbee.hive.isolation import cgroups, units
from rbee.hive.isolation.plan import Found

_log = logs.get(__name__)


def look(root: Path, *, off: bool = False) -> Found:
    """What can be enforced for the workers of ``root``. Blocking: some 100 ms with systemd.

    Empty cgroups that an earlier hive of this root left are removed.
    """
    linux = sys.platform == "linux"
    if off or not linux:
        return Found(linux=linux, off=off)
    prefix = name_of(root, "")
    found = Found(
        unit=units.find(f"{prefix}probe"), cgroup=cgroups.find(f"{prefix}probe"), linux=linux
    )
    cgroups.sweep(found.cgroup, prefix)
    _log.info(
        "isolation",
        unit=found.unit.manager or found.unit.reason,
        guards=sorted(found.unit.guards),
        cgroup=found.cgroup.version or found.cgroup.reason,
    )
    return found


def sweep(root: Path) -> None:
    """Remove the empty cgroups of ``root``'s workers, for who ends a hive for good."""
    prefix = name_of(root, "")
    cgroups.sweep(cgroups.find(f"{prefix}sweep"), prefix)


def name_of(root: Path, which: str) -> str:
    """The name of a unit or cgroup: no two hives of a machine share one."""
    return f"rbee-{hashlib.sha256(str(root).encode()).hexdigest()[:8]}-{which}"
