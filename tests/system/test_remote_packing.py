"""What another machine gets: wheels of all that is installed here, whole, the same each time."""

import csv
import io
import zipfile
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import Tag, parse_tag, sys_tags

import rbee
from rbee.errors import StartError
from rbee.remote import repack
from rbee.remote.wheels import WheelSet, gather
from unit.remote.machines import PYTHON

pytestmark = pytest.mark.system

ANYWHERE = tuple(parse_tag("py3-none-any"))


def nobody(_wish: Requirement, _tags: Sequence[Tag], _folder: Path) -> Path | None:
    return None


def check(content: bytes) -> list[str]:
    """The names in a wheel, each as its RECORD says it is."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        record = next(name for name in names if name.endswith(".dist-info/RECORD"))
        rows = list(csv.reader(archive.read(record).decode().splitlines()))
        assert {row[0] for row in rows} == set(names)
        assert all(int(row[2]) == len(archive.read(row[0])) for row in rows if row[0] != record)
    return names


@pytest.mark.parametrize("name", ["anyio", "msgspec", "huggingface_hub"])
def test_an_installed_package_becomes_its_wheel_again(name: str) -> None:
    here = distribution(name)
    assert repack.is_whole(here)
    content = repack.repack(here)
    assert content == repack.repack(here)
    names = check(content)
    assert not [name for name in names if "__pycache__" in name or ".." in name]
    file = repack.file_name(here)
    assert file.startswith(f"{name}-{here.version}-")
    assert file.endswith(".whl")


def test_a_checkout_is_packed_as_it_runs() -> None:
    here = distribution("rbee")
    content = repack.wheel_of_ourselves(Path(rbee.__file__).parent, here)
    names = check(content)
    assert {"rbee/__main__.py", "rbee/remote/probe.sh", "rbee/py.typed"} & set(names) >= {
        "rbee/__main__.py",
        "rbee/remote/probe.sh",
    }
    assert f"rbee-{here.version}.dist-info/entry_points.txt" in names


@pytest.fixture(scope="module")
def brought() -> WheelSet:
    """What a machine gets that takes only what fits everywhere. Seconds of packing."""
    return gather(ANYWHERE, PYTHON.markers, "auto", nobody)


def test_what_does_not_fit_is_left_to_the_other_machines_index(brought: WheelSet) -> None:
    assert any(line.startswith("xllamacpp==") for line in brought.left)
    assert any(wheel.file.startswith("anyio-") for wheel in brought.others)
    with pytest.raises(StartError, match="xllamacpp"):
        gather(ANYWHERE, PYTHON.markers, "upload", nobody)


def test_extras_of_a_package_that_is_brought_already_are_followed_too(
    brought: WheelSet,
) -> None:
    # rich wants markdown-it-py, textual wants it with `linkify`: its requirement has to come as well.
    wanted = [Requirement(line) for line in distribution("textual").requires or ()]
    with_extras = [one for one in wanted if one.extras and one.marker is None]
    assert [one.name for one in with_extras] == ["markdown-it-py"]
    names = {wheel.file.split("-")[0] for wheel in brought.others}
    assert {"markdown_it_py", "linkify_it_py"} <= names


def test_only_ourselves_go_where_the_index_is_wished_for() -> None:
    brought = gather(tuple(sys_tags()), PYTHON.markers, "index", nobody)
    assert brought.others == ()
    assert any(line.startswith("xllamacpp") for line in brought.left)


def test_markers_are_those_of_the_other_machine() -> None:
    asked: list[str] = []

    def watch(wish: Requirement, _tags: Sequence[Tag], _folder: Path) -> Path | None:
        asked.append(wish.name.lower())
        return None

    windows = {**PYTHON.markers, "sys_platform": "win32", "platform_system": "Windows"}
    gather(ANYWHERE, windows, "auto", watch)
    assert "colorama" in asked  # of click, on Windows alone
