"""Make a wheel of a package that is installed here.

What runs here is what another machine gets, without a package index in between:
a wheel is a zip of the installed files, and the files that installing added are
left out. The rule: the same installation gives the same bytes, so that a wheel's
hash names it. The format is the packaging guide's "binary distribution format".
"""

import base64
import csv
import hashlib
import io
import zipfile
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from packaging.tags import Tag, parse_tag
from packaging.utils import canonicalize_name

_ADDED: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_PRESS: Final = 1  # of 1 to 9: the higher ones take five times as long for 4 % less
_MODE: Final = 0o100644  # a plain file that all may read
_EXECUTABLE: Final = 0o111
_MODE_SHIFT: Final = 16  # where a zip keeps the modes of Unix
_WHEEL: Final = b"Wheel-Version: 1.0\nGenerator: rbee\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

_File: TypeAlias = tuple[str, bytes, int]
"""A name in the wheel, its content, its mode."""


def wheel_tags(distribution: Distribution) -> frozenset[Tag]:
    """The tags under which it was built; empty when it does not say."""
    said = distribution.read_text("WHEEL") or ""
    lines = [line.partition(":") for line in said.splitlines()]
    found = [parse_tag(value.strip()) for key, _, value in lines if key.strip() == "Tag"]
    return frozenset(tag for tags in found for tag in tags)


def file_name(distribution: Distribution) -> str:
    """Name, version and all its tags, as wheels are called."""
    tags = wheel_tags(distribution)
    parts = (
        ".".join(sorted({getattr(tag, part) for tag in tags}))
        for part in ("interpreter", "abi", "platform")
    )
    name = canonicalize_name(distribution.metadata["Name"]).replace("-", "_")
    return f"{name}-{distribution.version}-{'-'.join(parts)}.whl"


def is_whole(distribution: Distribution) -> bool:
    """Whether all of it lies where its RECORD says: not for checkouts and oddities."""
    listed = distribution.files
    if not listed or not wheel_tags(distribution):
        return False
    return '"editable"' not in (distribution.read_text("direct_url.json") or "") and all(
        Path(str(distribution.locate_file(file))).is_file()
        for file in listed
        if not _is_added(PurePosixPath(file))
    )


def repack(distribution: Distribution) -> bytes:
    """The wheel of a distribution that ``is_whole``.

    Raises:
        OSError: one of its files cannot be read.
    """
    files = {
        str(path): Path(str(distribution.locate_file(path)))
        for path in map(PurePosixPath, distribution.files or ())
        if not _is_added(path)
    }
    record = next(str(path) for path in distribution.files or () if path.name == "RECORD")
    return _zip([_read(name, path) for name, path in sorted(files.items())], record)


def wheel_of_ourselves(package: Path, distribution: Distribution) -> bytes:
    """The wheel of rbee as it runs here, also from a checkout.

    ``package`` is the folder of the package, ``distribution`` its metadata.

    Raises:
        OSError: one of its files cannot be read.
    """
    info = f"rbee-{distribution.version}.dist-info"
    files = [
        _read(f"{package.name}/{path.relative_to(package).as_posix()}", path)
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    kept = {name: distribution.read_text(name) or "" for name in ("METADATA", "entry_points.txt")}
    about = {**{name: text.encode() for name, text in kept.items()}, "WHEEL": _WHEEL}
    files += [(f"{info}/{name}", content, _MODE) for name, content in about.items()]
    return _zip(files, f"{info}/RECORD")


def _read(name: str, path: Path) -> _File:
    return name, path.read_bytes(), _MODE | path.stat().st_mode & _EXECUTABLE


def _is_added(path: PurePosixPath) -> bool:
    """Written by the installation: scripts, compiled files, notes of the installer."""
    return (
        ".." in path.parts
        or path.is_absolute()
        or "__pycache__" in path.parts
        or (path.parent.name.endswith(".dist-info") and path.name in _ADDED)
    )


def _zip(files: list[_File], record: str) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=_PRESS) as archive:
        for name, content, mode in (*files, (record, _record(files, record), _MODE)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = mode << _MODE_SHIFT
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content, compresslevel=_PRESS)
    return whole.getvalue()


def _record(files: list[_File], record: str) -> bytes:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    for name, content, _ in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
        writer.writerow((name, f"sha256={digest.decode()}", len(content)))
    writer.writerow((record, "", ""))
    return lines.getvalue().encode()
