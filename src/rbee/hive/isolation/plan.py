"""Choose, for one worker, what guards it: from what the probe found. Pure.

For each protection the first mechanism that was seen to work is taken: a systemd
unit of its own, else a cgroup of its own, else what any process can have. What
cannot be had is told with the reason; a worker is never refused for it, for the
colony must run on a laptop too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from rbee.contracts.workers import Protection

Guard = Literal[
    "memory", "tasks", "cpu_share", "no_new_privileges", "read_only_system", "private_shm"
]
"""What a unit can give; ``memory`` and ``tasks`` a cgroup can give too."""

GUARDS: Final[tuple[Guard, ...]] = (
    "memory",
    "tasks",
    "cpu_share",
    "no_new_privileges",
    "read_only_system",
    "private_shm",
)
TASKS_MAX: Final = 4_096  # an engine has some threads a core and a GPU: 300 on the largest machines
CPU_WEIGHT: Final = 50  # half of a usual process's share when both want the CPU: the hive goes on
UNKNOWN_NEED: Final = "no limit: what it needs is not known, and no `worker_memory_max_mb` is set"
_MIB: Final = 1024 * 1024


class UnitFound(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe unit of a systemd manager really had.

    ``manager`` is null, with the ``reason``, when no unit could be run.
    """

    manager: Literal["system", "user"] | None = None
    guards: frozenset[Guard] = frozenset()
    reason: str = "not asked for"


class CgroupFound(msgspec.Struct, frozen=True, kw_only=True):
    """Directories in which we may make cgroups: of v2 one for both, of v1 one each."""

    version: Literal[1, 2] | None = None
    memory: Path | None = None
    tasks: Path | None = None
    reason: str = "not asked for"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """All that the probe of this machine found."""

    unit: UnitFound = UnitFound()
    cgroup: CgroupFound = CgroupFound()
    linux: bool = True
    off: bool = False


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """What is done for one worker.

    ``unit`` is the manager to run the shim under, null for none; ``cgroups`` are
    (file's directory, name of the limit's file, its value); ``no_new_privileges``
    asks the shim to set it for its child.
    """

    unit: Literal["system", "user"] | None
    cgroups: tuple[tuple[Path, str, str], ...]
    no_new_privileges: bool
    memory_max_bytes: int | None
    protections: tuple[Protection, ...]


def decide(found: Found, name: str, memory_max_bytes: int | None) -> Measures:
    """The measures for the worker process ``name``; ``memory_max_bytes`` null: no limit."""
    if found.off:
        return _off()
    unit = found.unit if found.unit.manager is not None else None
    given: dict[Guard, str] = {}
    if unit is not None:
        given = {guard: _of_unit(guard, unit, memory_max_bytes) for guard in unit.guards}
    cgroups: list[tuple[Path, str, str]] = []
    limit_file = "memory.limit_in_bytes" if found.cgroup.version == 1 else "memory.max"
    if "memory" not in given and found.cgroup.memory is not None and memory_max_bytes:
        cgroups.append((found.cgroup.memory / name, limit_file, str(memory_max_bytes)))
        given["memory"] = f"{_mib(memory_max_bytes)}, by a cgroup of its own"
    if "tasks" not in given and found.cgroup.tasks is not None:
        cgroups.append((found.cgroup.tasks / name, "pids.max", str(TASKS_MAX)))
        given["tasks"] = f"{TASKS_MAX} threads, by a cgroup of its own"
    by_shim = found.linux and "no_new_privileges" not in given
    if by_shim:
        given["no_new_privileges"] = "set by its parent"
    if memory_max_bytes is None:
        given.pop("memory", None)
    return Measures(
        unit=unit.manager if unit is not None else None,
        cgroups=tuple(cgroups),
        no_new_privileges=by_shim,
        memory_max_bytes=memory_max_bytes if "memory" in given else None,
        protections=tuple(_shown(given, found, memory_max_bytes)),
    )


def _shown(
    given: dict[Guard, str], found: Found, memory_max_bytes: int | None
) -> Sequence[Protection]:
    shown = [
        Protection(name=guard, in_force=True, reason=given[guard])
        if guard in given
        else Protection(name=guard, in_force=False, reason=_why_not(guard, found, memory_max_bytes))
        for guard in GUARDS
    ]
    read_only = next(each for each in shown if each.name == "read_only_system")
    return [
        *shown,
        msgspec.structs.replace(read_only, name="read_only_models"),
        Protection(name="own_group", in_force=True, reason="ended with all that it starts"),
        Protection(name="no_core_dumps", in_force=found.linux, reason=_of_core(found)),
        Protection(name="environment", in_force=True, reason="an allow-list; no key, no token"),
    ]


def _why_not(guard: Guard, found: Found, memory_max_bytes: int | None) -> str:
    if guard == "memory" and memory_max_bytes is None:
        return UNKNOWN_NEED
    if found.unit.manager is None:
        no_unit = f"no systemd unit: {found.unit.reason}"
    else:
        no_unit = f"the {found.unit.manager} manager of systemd does not enforce it here"
    if guard in {"memory", "tasks"}:
        return f"{no_unit}; no cgroup: {found.cgroup.reason}"
    return no_unit


def _of_unit(guard: Guard, unit: UnitFound, memory_max_bytes: int | None) -> str:
    how = f"by a unit of systemd's {unit.manager} manager"
    if guard == "memory":
        return f"{_mib(memory_max_bytes or 0)}, {how}"
    if guard == "tasks":
        return f"{TASKS_MAX} threads, {how}"
    return how


def _of_core(found: Found) -> str:
    return "a dump would hold prompts" if found.linux else "only on Linux"


def _off() -> Measures:
    why = "`isolation` is off in the hive's settings"
    protections = tuple(Protection(name=guard, in_force=False, reason=why) for guard in GUARDS)
    return Measures(
        unit=None,
        cgroups=(),
        no_new_privileges=False,
        memory_max_bytes=None,
        protections=protections,
    )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:,.0f} MiB"
