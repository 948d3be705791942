"""What installing an engine does: the commands as shown, and once for real from a stub index."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from rbee.errors import InvalidRequest, StartError
from rbee.foundation.installs import INSTALLED_FILE, Installed
from rbee.hive.engines import catalog, installed
from rbee.keeper.engine_install import ENGINES, install, make_plan
from rbee.testing.package_index import StubIndex, wheel_with

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path / "data"))
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def test_a_plan_shows_commands_without_secrets() -> None:
    plan = make_plan("cuda", "https://me:hunter2@mirror.example/simple")
    assert plan.package == f"xllamacpp=={version('xllamacpp')}"
    shown = "\n".join(plan.shown())
    assert "-m venv" in shown
    assert "PIP_INDEX_URL=https://mirror.example/simple" in shown
    assert "hunter2" not in shown
    assert "hunter2" not in str(plan.steps)


def test_an_engine_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="warp") as refused:
        make_plan("warp", None)
    assert all(name in refused.value.remedy for name in ENGINES)


@pytest.mark.system
async def test_a_small_engine_is_installed_from_an_index() -> None:
    wheel = wheel_with("xllamacpp", "9.9", "data.txt", b"not really")
    said: list[str] = []
    with StubIndex("xllamacpp", "9.9", wheel) as index:
        plan = make_plan("vulkan", index.index_url, "xllamacpp==9.9")
        done = await install(plan, said.append)
    assert (done.package, done.version) == ("xllamacpp==9.9", "9.9")
    assert any("xllamacpp" in line for line in said)
    assert installed.missing("vulkan") is None
    assert (
        installed.packages_of("vulkan") / "xllamacpp" / "data.txt"
    ).read_bytes() == b"not really"


@pytest.mark.parametrize(("device", "works"), [("CPU", False), ("GPU", True), ("IGPU", True)])
async def test_a_build_for_gpus_that_sees_none_is_unusable(
    device: str, works: bool, tmp_path: Path
) -> None:
    """What pip brings without an index: the build for CPUs, of the same name and version."""
    packages = installed.packages_of("cuda")
    packages.mkdir(parents=True)
    (packages / "xllamacpp.py").write_text(
        "from enum import Enum\n"
        f"Kind = Enum('Kind', ['GGML_BACKEND_DEVICE_TYPE_{device}'])\n"
        "def get_device_info(): return [{'type': kind} for kind in Kind]\n"
    )
    done = Installed(package="xllamacpp", version="1", python=installed.python_tag())
    (installed.home_of("cuda") / INSTALLED_FILE).write_bytes(msgspec.json.encode(done))
    engines = catalog.make_engines(scripted=False, script=None)
    await engines.probe(tmp_path / "proven.json")
    [found] = [one for one in engines.infos() if one.name == "xllamacpp-cuda"]
    assert found.usable is works
    assert works or "rbee engine install cuda --index" in (found.reason or "")


async def test_a_step_that_fails_leaves_nothing_that_counts() -> None:
    refuses = (sys.executable, "-c", "print('no such package'); raise SystemExit(1)")
    plan = msgspec.structs.replace(make_plan("vulkan", None), steps=(refuses,))
    with pytest.raises(StartError, match="no such package"):
        await install(plan, lambda _line: None)
    assert "rbee engine install vulkan" in (installed.missing("vulkan") or "")


def test_another_pythons_installation_is_none_of_ours() -> None:
    home = installed.home_of("vulkan")
    home.mkdir(parents=True)
    old = Installed(package="xllamacpp", version="1", python="3.1")
    (home / INSTALLED_FILE).write_bytes(msgspec.json.encode(old))
    assert "Python 3.1" in (installed.missing("vulkan") or "")
