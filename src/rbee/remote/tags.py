"""Which wheels a machine takes: its tags, from what its Python said of itself. Pure.

The forms of platform tags are those of PEP 425 (names), PEP 600 (manylinux),
PEP 656 (musllinux) and the packaging guide's macOS section.
"""

from collections.abc import Iterator
from typing import Final

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

from rbee.remote.facts import Facts, Python

_GLIBC_MINOR_MIN: Final = {"x86_64": 5, "i686": 5}  # PEP 600: manylinux1 is glibc 2.5
_GLIBC_MINOR_ELSEWHERE: Final = 17  # PEP 599: other machines began with manylinux2014
_LEGACY: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_MUSL: Final = (1, 2)  # the only one that builds of CPython 3.11 and newer link to


def tags_of(facts: Facts, python: Python) -> tuple[Tag, ...]:
    """Every tag of a wheel that this interpreter may install, the best first."""
    version = python.version[:2]
    platforms = list(_platforms(facts, python))
    interpreter = f"cp{version[0]}{version[1]}"
    return (
        *cpython_tags(version, [interpreter], platforms),
        *compatible_tags(version, interpreter, platforms),
    )


def _platforms(facts: Facts, python: Python) -> Iterator[str]:
    machine = python.markers.get("platform_machine", facts.machine)
    if facts.system == "Darwin":
        release = [int(part) for part in python.mac.split(".")[:2] if part.isdecimal()]
        yield from mac_platforms((release[0], release[1] if release[1:] else 0), machine)
        return
    name, version = python.libc
    if name == "glibc":
        yield from _glibc(int(version.split(".")[1]), machine)
    else:
        major, newest = _MUSL
        yield from (f"musllinux_{major}_{minor}_{machine}" for minor in range(newest, -1, -1))
    yield f"linux_{machine}"


def _glibc(newest: int, machine: str) -> Iterator[str]:
    oldest = _GLIBC_MINOR_MIN.get(machine, _GLIBC_MINOR_ELSEWHERE)
    for minor in range(newest, oldest - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{machine}"
