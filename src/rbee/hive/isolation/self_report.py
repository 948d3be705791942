"""What limits does this very process have? Asked inside a probe unit.

Run as ``python -I -S self_report.py``: the standard library only. It reads the
kernel's own files and prints one JSON object of numbers; what is missing is not
in force. ``units`` compares it with what was asked for; a /dev/shm of its own is
seen by its device.
"""

import json
import os
import sys
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
SHM = "/dev/shm"  # noqa: S108  looked at, not written to


def report() -> dict[str, int]:
    """The limits in force, by the names of ``plan.Guard``."""
    found: dict[str, int] = {}
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found["no_new_privileges"] = int("NoNewPrivs:\t1" in status)
    found["read_only_system"] = int(bool(os.statvfs("/usr").f_flag & os.ST_RDONLY))
    found["shm_device"] = Path(SHM).stat().st_dev
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        for name, mount, file in (
            ("memory", "memory", "memory.limit_in_bytes"),
            ("tasks", "pids", "pids.max"),
        ):
            if mount in controllers.split(","):
                _note(found, name, CGROUPS / mount / path.lstrip("/") / file)
        if controllers == "":
            own = CGROUPS / path.lstrip("/")
            _note(found, "memory", own / "memory.max")
            _note(found, "tasks", own / "pids.max")
            _note(found, "cpu_share", own / "cpu.weight")
    return found


def _note(found: dict[str, int], name: str, path: Path) -> None:
    try:
        found[name] = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return  # no such limit, or "max"


if __name__ == "__main__":
    json.dump(report(), sys.stdout)
