"""Cgroups of our own, where the system lets us make them: version 2, else 1.

Found out by making one and setting its limits, never by who we are or by a
version. A worker's cgroup is made before its process, which joins it before it
becomes the engine (``workers/shim``), so that every byte is counted there. The
formats are those of the kernel's cgroup-v1 and cgroup-v2 documents.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rbee.hive.isolation.plan import CgroupFound

ROOT: Final = Path("/sys/fs/cgroup")
_TRIAL_BYTES: Final = 1 << 30  # any number that a kernel takes as a limit
_TRIAL_TASKS: Final = 64


def find(name: str, *, root: Path = ROOT, own: str | None = None) -> CgroupFound:
    """Where cgroups can be made; ``name`` is for the trial, ``own`` for tests.

    Controllers of version 1 are each mounted by themselves; of version 2 all in one.
    """
    try:
        text = own if own is not None else Path("/proc/self/cgroup").read_text(encoding="ascii")
    except OSError:
        return CgroupFound(reason="this system has none")
    places = _places(text)
    if (root / "cgroup.controllers").exists():
        return _find_v2(root / places.get("", "").lstrip("/"), name)
    memory = _try_v1(root / "memory", places.get("memory"), name, "memory.limit_in_bytes")
    tasks = _try_v1(root / "pids", places.get("pids"), name, "pids.max")
    reason = next((each for each in (memory, tasks) if isinstance(each, str)), "")
    if isinstance(memory, str) and isinstance(tasks, str):
        return CgroupFound(reason=reason)
    return CgroupFound(
        version=1,
        memory=None if isinstance(memory, str) else memory,
        tasks=None if isinstance(tasks, str) else tasks,
        reason=reason,
    )


def make(limits: Sequence[tuple[Path, str, str]]) -> list[Path]:
    """Make cgroups with their limits; their directories.

    Raises:
        OSError: the system refuses; nothing is left behind.
    """
    made: list[Path] = []
    try:
        for directory, file, value in limits:
            directory.mkdir(exist_ok=True)
            if directory not in made:
                made.append(directory)
            _set(directory / file, value)
    except OSError:
        remove(made)
        raise
    return made


def remove(directories: Sequence[Path]) -> None:
    """Remove cgroups; one that still holds a process stays."""
    for directory in directories:
        with contextlib.suppress(OSError):
            directory.rmdir()


def sweep(found: CgroupFound, prefix: str) -> None:
    """Remove empty cgroups of an earlier hive: their names begin with ``prefix``."""
    for base in {found.memory, found.tasks}:
        if base is not None:
            with contextlib.suppress(OSError):
                remove([path for path in base.iterdir() if path.name.startswith(prefix)])


def _places(text: str) -> dict[str, str]:
    """Controller → our own cgroup; the key of version 2 is empty."""
    places: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            places[controller] = path
    return places


def _try_v1(mount: Path, own: str | None, name: str, limit: str) -> Path | str:
    """Our own cgroup below ``mount`` if we may divide it, else why not."""
    if own is None or not mount.is_dir():
        return f"{mount} is not there"
    base = mount / own.lstrip("/")
    if not base.is_dir():
        base = mount  # a container shows its own cgroup as the root
    value = _TRIAL_BYTES if mount.name == "memory" else _TRIAL_TASKS
    return _try(base, name, [(limit, str(value))])


def _find_v2(base: Path, name: str) -> CgroupFound:
    enabled = _enable(base)
    if enabled is not None:
        return CgroupFound(reason=enabled)
    tried = _try(base, name, [("memory.max", str(_TRIAL_BYTES)), ("pids.max", str(_TRIAL_TASKS))])
    if isinstance(tried, str):
        return CgroupFound(reason=tried)
    return CgroupFound(version=2, memory=tried, tasks=tried, reason="")


def _enable(base: Path) -> str | None:
    """Pass the controllers on to our children; why not, or None.

    A cgroup that passes controllers on must hold no process of its own: when the
    hive is alone in it, as in a unit with ``Delegate=yes``, it moves into a leaf.
    """
    try:
        passed = (base / "cgroup.subtree_control").read_text(encoding="ascii").split()
        if {"memory", "pids"} <= set(passed):
            return None
        inside = (base / "cgroup.procs").read_text(encoding="ascii").split()
        if inside == [str(os.getpid())]:
            leaf = base / "rbee-hive"
            leaf.mkdir(exist_ok=True)
            _set(leaf / "cgroup.procs", inside[0])
        _set(base / "cgroup.subtree_control", "+memory +pids")
    except OSError as error:
        return f"{base} cannot be divided: {error.strerror}"
    return None


def _try(base: Path, name: str, limits: Sequence[tuple[str, str]]) -> Path | str:
    directory = base / name
    try:
        remove(make([(directory, file, value) for file, value in limits]))
    except OSError as error:
        return f"{base} cannot be written: {error.strerror}"
    return base


def _set(path: Path, value: str) -> None:
    """Set a kernel's file. Not in a new file's stead: it exists or the limit does not."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, value.encode("ascii"))
    finally:
        os.close(descriptor)
