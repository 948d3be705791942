"""Transient systemd units: one for each worker process, and one to try them out.

``systemd-run`` starts the shim in a service of its own. Which of the limits this
manager really enforces is read inside a probe unit, from the kernel, by
``self_report``: a version or a manager's "yes" proves nothing (in containers
MemoryMax is accepted and not enforced; users' managers ignore file systems).
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from rbee.hive.isolation import self_report
from rbee.hive.isolation.plan import CPU_WEIGHT, GUARDS, TASKS_MAX, Guard, UnitFound

Manager = Literal["system", "user"]

PROBE_S: Final = 10.0  # 60 ms usually; a manager that does not answer must not hold the hive up
_PROBE_BYTES: Final = 256 * 1024 * 1024  # a limit that the probe's 10 MiB never reach
_OF_USER_MANAGERS: Final = frozenset({"memory", "tasks", "no_new_privileges"})
_CACHES: Final = (".nv", ".triton", ".cache/vllm", ".cache/flashinfer", ".cache/torch")
"""Where GPU engines keep compiled code; all else of the file system is read-only to them."""
_SESSION: Final = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
_SHM: Final = "/dev/shm"  # noqa: S108  it is a mount of its own, of the usual half of the memory


def properties(
    manager: Manager, memory_max_bytes: int | None, writable: Sequence[Path]
) -> list[str]:
    """The unit's properties, as ``systemd-run`` takes them."""
    wanted = {"TasksMax": str(TASKS_MAX), "NoNewPrivileges": "yes", "LimitCORE": "0"}
    # A killed shim costs no request; after a kill for memory it stays to tell of it.
    wanted |= {"KillMode": "process", "OOMPolicy": "continue"}
    if memory_max_bytes is not None:
        wanted["MemoryMax"] = str(memory_max_bytes)
    if manager == "system":
        paths = [str(path) for path in writable] + ["/tmp", "/var/tmp"]  # noqa: S108  everybody's, as for any program
        paths += [f"-{Path.home() / cache}" for cache in _CACHES]
        wanted |= {
            "CPUWeight": str(CPU_WEIGHT),
            "ProtectSystem": "strict",
            "ReadWritePaths": " ".join(paths),
            "TemporaryFileSystem": f"{_SHM}:mode=1777",
        }
    return [f"--property={name}={value}" for name, value in wanted.items()]


def command(manager: Manager, name: str, more: Sequence[str]) -> list[str]:
    """The start of a ``systemd-run`` command line for a unit ``name``."""
    argv = ["systemd-run", "--quiet", "--collect", f"--unit={name}", *more]
    return argv if manager == "system" else [argv[0], "--user", *argv[1:]]


def session_env() -> dict[str, str]:
    """What ``systemd-run --user`` needs to find its manager."""
    return {name: os.environ[name] for name in _SESSION if name in os.environ}


def find(name: str) -> UnitFound:
    """Run a probe unit: of the system's manager for root, else of the user's. Blocking."""
    if sys.platform != "linux":
        return UnitFound(reason="only Linux has systemd")
    if not Path("/run/systemd/system").is_dir():
        return UnitFound(reason="this system was not booted with systemd")
    reason = ""
    # A unit of the system's manager is root's: an engine must not get more rights than its hive.
    managers: tuple[Manager, ...] = ("system", "user") if os.geteuid() == 0 else ("user",)
    for manager in managers:
        found = _probe(manager, name)
        if found.manager is not None:
            return found
        reason = reason or found.reason
    return UnitFound(reason=reason)


def _probe(manager: Manager, name: str) -> UnitFound:
    wanted = properties(manager, _PROBE_BYTES, [])
    argv = command(manager, name, ["--wait", "--pipe", *wanted])
    argv += [sys.executable, "-I", "-S", self_report.__file__]
    try:
        ran = subprocess.run(
            argv, capture_output=True, timeout=PROBE_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return UnitFound(reason=f"systemd-run: {error}")
    if ran.returncode != 0:
        words = ran.stderr.decode(errors="replace").strip().splitlines()
        return UnitFound(reason=words[-1] if words else f"systemd-run left with {ran.returncode}")
    try:
        report = msgspec.json.decode(ran.stdout, type=dict[str, int])
    except msgspec.MsgspecError:
        return UnitFound(reason="the probe unit told nothing")
    guards = enforced(manager, report, Path(_SHM).stat().st_dev)
    return UnitFound(manager=manager, guards=guards, reason="")


def enforced(manager: Manager, report: dict[str, int], own_shm: int) -> frozenset[Guard]:
    """Which guards the report of a probe unit proves; ``own_shm`` is our /dev/shm's device."""
    expected: dict[Guard, int] = {
        "memory": _PROBE_BYTES,
        "tasks": TASKS_MAX,
        "cpu_share": CPU_WEIGHT,
        "no_new_privileges": 1,
        "read_only_system": 1,
    }
    shm = report.get("shm_device")
    private = shm is not None and shm != own_shm
    return frozenset(
        guard
        for guard in GUARDS
        if (manager == "system" or guard in _OF_USER_MANAGERS)
        and (private if guard == "private_shm" else report.get(guard) == expected[guard])
    )
