"""The wheels that a machine gets: rbee's own and those of everything it needs.

``gather`` walks the requirements as that machine's Python reads them (its markers,
not ours). Each package is taken in the version that runs here: packed again from
this installation where its tags fit the machine, so that no package index is
needed at all. What does not fit, another platform's engine for instance, comes
from the index that this machine uses (``fetch``), else it is left to the other
machine's own pip, and that is said. Blocking: the caller runs it in a thread.
"""

import email
import hashlib
import importlib.util
import sysconfig
import zipfile
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final, Literal

import msgspec
from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename

import rbee
from rbee.errors import StartError
from rbee.foundation import paths
from rbee.foundation.files import write_atomic
from rbee.remote import repack

Source = Literal["auto", "upload", "index"]
"""``upload``: all of it from here or not at all; ``index``: only rbee's own wheel and pip."""

INSTALLER: Final = "pip"  # of ours too: Debian's Pythons have none
_DIGITS: Final = 10  # of a hash in a folder's name: two builds of one version are told apart


class Wheel(msgspec.Struct, frozen=True, kw_only=True):
    """One file. ``file`` is its name, ``sha256`` in hexadecimal digits."""

    file: str
    path: Path
    size_bytes: int
    sha256: str


class WheelSet(msgspec.Struct, frozen=True, kw_only=True):
    """What is brought. ``left`` are requirements that the machine's own index must have."""

    build: str
    ours: Wheel
    installer: Wheel
    others: tuple[Wheel, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[Wheel, ...]:
        """Everything that has to be there."""
        return (self.installer, *self.others)

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return self.ours.size_bytes + sum(wheel.size_bytes for wheel in self.all)


Fetch = Callable[[Requirement, Sequence[Tag], Path], Path | None]
"""Find a wheel for these tags on an index and put it into a folder; None: there is none."""


def gather(
    tags: Sequence[Tag],
    markers: dict[str, str],
    source: Source,
    fetch: Fetch,
) -> WheelSet:
    """The wheels for a machine with these tags and markers.

    Raises:
        StartError: rbee is not installed properly here, or ``upload`` cannot be had.
    """
    folder = paths.cache_dir() / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    ourselves = _installed("rbee")
    if ourselves is None:
        raise StartError(
            "rbee runs from a folder that was not installed, so it cannot be packed.",
            remedy="`pip install -e .` there once.",
        )
    installer = _pythons_own(INSTALLER) or _take(Requirement(INSTALLER), tags, folder, fetch)
    if installer is None:
        raise StartError(
            "There is no pip here, and no package index that has it.",
            remedy="`python -m ensurepip` in rbee's environment, or set PIP_INDEX_URL.",
        )
    others: list[Wheel] = []
    left: list[str] = []
    taken: dict[str, Path | None] = {canonicalize_name("rbee"): None}
    extras: set[tuple[str, str]] = set()  # of a package, each followed once
    waiting = _requirements(ourselves.requires or (), markers, frozenset())
    while waiting:
        requirement = waiting.pop(0)
        name = canonicalize_name(requirement.name)
        wanted = {(name, extra) for extra in requirement.extras}
        if name in taken and wanted <= extras:
            continue
        if name not in taken:
            found = None if source == "index" else _take(requirement, tags, folder, fetch)
            taken[name] = found
            if found is None:
                left.append(f"{requirement.name}{requirement.specifier}")
            else:
                others.append(_wheel(found))
        extras |= wanted
        # Two packages may want a third with different extras: what these add is followed as well.
        if (wheel := taken[name]) is not None:
            waiting += _requirements(_requires_of(wheel), markers, frozenset(requirement.extras))
    if left and source == "upload":
        raise StartError(
            f"No wheel for that machine can be had here of: {', '.join(left)}.",
            remedy="`--wheels auto` leaves these to the machine's own package index.",
        )
    return _set_of(ourselves, folder, _wheel(installer), others, left)


def _set_of(
    ourselves: Distribution, folder: Path, installer: Wheel, others: list[Wheel], left: list[str]
) -> WheelSet:
    content = repack.wheel_of_ourselves(Path(rbee.__file__).parent, ourselves)
    digest = hashlib.sha256(content)
    for wheel in others:
        digest.update(wheel.file.encode())
    build = f"{ourselves.version}-{digest.hexdigest()[:_DIGITS]}"
    path = folder / build / f"rbee-{ourselves.version}-py3-none-any.whl"
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        write_atomic(path, content)
    return WheelSet(
        build=build,
        ours=_wheel(path),
        installer=installer,
        others=tuple(sorted(others, key=lambda wheel: wheel.file)),
        left=tuple(left),
    )


def _requirements(
    lines: Iterable[str], markers: dict[str, str], extras: frozenset[str]
) -> list[Requirement]:
    """Those that count under these markers, with these extras."""
    return [
        requirement
        for requirement in map(Requirement, lines)
        if requirement.marker is None
        or any(requirement.marker.evaluate({**markers, "extra": extra}) for extra in ("", *extras))
    ]


def _requires_of(wheel: Path) -> list[str]:
    """What a wheel says that it needs."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(archive.read(name))
    return [str(line) for line in about.get_all("Requires-Dist", [])]


def _take(requirement: Requirement, tags: Sequence[Tag], folder: Path, fetch: Fetch) -> Path | None:
    """A wheel of the version that runs here, packed or fetched."""
    here = _installed(requirement.name)
    if here is not None:
        if not repack.wheel_tags(here).isdisjoint(tags) and repack.is_whole(here):
            path = folder / repack.file_name(here)
            if not path.exists():
                write_atomic(path, repack.repack(here))
            return path
        requirement = Requirement(f"{requirement.name}=={here.version}")
    return fetch(requirement, tags, folder)


def _pythons_own(name: str) -> Path | None:
    """A wheel that this Python carries for its ``ensurepip``: an environment may have no pip."""
    found = importlib.util.find_spec("ensurepip")
    places = [sysconfig.get_config_var("WHEEL_PKG_DIR")]  # where distributions keep it
    if found is not None and found.origin is not None:
        places.append(str(Path(found.origin).parent / "_bundled"))
    wheels = [
        (parse_wheel_filename(path.name)[1], path)
        for place in places
        if place
        for path in Path(place).glob(f"{name}-*.whl")
    ]
    return max(wheels)[1] if wheels else None


def _wheel(path: Path) -> Wheel:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Wheel(file=path.name, path=path, size_bytes=path.stat().st_size, sha256=digest)


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None
