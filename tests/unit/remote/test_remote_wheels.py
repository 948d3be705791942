"""What another machine gets: wheels of what runs here, whole, the same each time, fitting there."""

import hashlib
import io
import tarfile
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.tags import parse_tag

from rbee.errors import CorruptModel
from rbee.remote import index
from rbee.remote.carry import archive
from rbee.remote.tags import tags_of
from rbee.remote.wheels import Wheel
from rbee.testing.package_index import StubIndex, wheel_with
from unit.remote.machines import MACHINE, PYTHON

ANYWHERE = tuple(parse_tag("py3-none-any"))


def test_a_wheel_comes_from_the_configured_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = wheel_with("thing", "1.2", "data", b"x" * 10)
    with StubIndex("thing", "1.2", wheel) as server:
        _only(monkeypatch, server.index_url)
        found = index.fetch(Requirement("thing>=1"), ANYWHERE, tmp_path)
        assert found == tmp_path / "thing-1.2-py3-none-any.whl"
        assert found.read_bytes() == wheel
        assert index.fetch(Requirement("thing>=2"), ANYWHERE, tmp_path) is None


def test_a_wheel_that_is_not_what_the_index_said_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = wheel_with("thing", "1.2", "data", b"x" * 10)
    with StubIndex("thing", "1.2", wheel, sha256="0" * 64) as server:
        _only(monkeypatch, server.index_url)
        with pytest.raises(CorruptModel, match="digests differ"):
            index.fetch(Requirement("thing"), ANYWHERE, tmp_path)
        assert not list(tmp_path.glob("*.whl"))


@pytest.mark.parametrize(
    ("libc", "fits", "does_not"),
    [
        (("glibc", "2.36"), "cp311-cp311-manylinux_2_34_x86_64", "cp312-cp312-linux_x86_64"),
        (("glibc", "2.31"), "cp311-abi3-manylinux2014_x86_64", "cp311-abi3-manylinux_2_34_x86_64"),
        (("glibc", "2.31"), "cp38-abi3-manylinux1_x86_64", "cp311-cp311-musllinux_1_2_x86_64"),
        (("", ""), "cp311-cp311-musllinux_1_2_x86_64", "cp311-cp311-manylinux2014_x86_64"),
    ],
)
def test_tags_of_other_machines(libc: tuple[str, str], fits: str, does_not: str) -> None:
    tags = tags_of(MACHINE, msgspec.structs.replace(PYTHON, libc=libc))
    assert not parse_tag(fits).isdisjoint(tags)
    assert parse_tag(does_not).isdisjoint(tags)
    assert not parse_tag("py3-none-any").isdisjoint(tags)


def test_tags_of_a_mac() -> None:
    markers = {**PYTHON.markers, "platform_machine": "arm64"}
    mac = msgspec.structs.replace(MACHINE, system="Darwin", machine="arm64")
    tags = tags_of(mac, msgspec.structs.replace(PYTHON, mac="14.2", markers=markers))
    assert not parse_tag("cp311-cp311-macosx_11_0_arm64").isdisjoint(tags)
    assert not parse_tag("cp311-abi3-macosx_11_0_universal2").isdisjoint(tags)
    assert parse_tag("cp311-cp311-macosx_15_0_arm64").isdisjoint(tags)


@pytest.mark.anyio
async def test_files_travel_as_a_tar_archive(tmp_path: Path) -> None:
    sizes = {"a": 0, "deep/b": 512, "c": 700_001}
    files: list[tuple[str, Wheel]] = []
    for name, size in sizes.items():
        path = tmp_path / name.replace("/", "_")
        path.write_bytes(b"z" * size)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append((name, Wheel(file=name, path=path, size_bytes=size, sha256=digest)))
    whole = b"".join([chunk async for chunk in archive(files)])
    with tarfile.open(fileobj=io.BytesIO(whole)) as read:
        assert {member.name: member.size for member in read} == sizes


def _only(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Know this index and no other."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", url)
