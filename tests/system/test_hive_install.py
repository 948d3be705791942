"""A hive's whole life on another machine, over a real sshd: a fresh home, a real queen."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

import rbee
from rbee import __version__
from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.sshd import NoSshd, Server, sshd
from rbee.testing.workers import free_port

pytestmark = pytest.mark.system

# Wheels are packed once for all runs, as the starter is fetched once.
CACHE = Path(os.environ.get("RBEE_TEST_CACHE") or Path(__file__).parents[2] / ".cache")
INSTALL_S = 300.0  # twenty seconds on a quiet machine of two cores
PREFIX = ".local/lib/rbee"


class Operator(msgspec.Struct, kw_only=True):
    """Whoever types ``rbee hive …``: a home, a way to the machine, a queen."""

    env: dict[str, str]
    server: Server
    settings: list[str]

    def types(self, *words: str, code: int = 0, env: dict[str, str] | None = None) -> str:
        """Run the command; gives what it said on both streams."""
        ran = subprocess.run(
            [sys.executable, "-m", "rbee", *words],
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
            cwd="/",
        )
        said = f"{ran.stdout}{ran.stderr}"
        assert ran.returncode == code, said
        assert "Traceback" not in said
        return said

    def told(self, *words: str, code: int = 0) -> dict[str, object]:
        """The same with ``--json``: what stands on stdout, which comes first."""
        said = self.types(*words, "--json", code=code)
        return json.JSONDecoder().raw_decode(said)[0]

    def status(self, *, code: int = 0) -> dict[str, object]:
        return self.told("hive", "status", "--host", "box", code=code)


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(sshd(tmp_path / "box"))
        except NoSshd as error:
            pytest.skip(str(error))
        queen = stack.enter_context(Colony(tmp_path / "colony")).queen()
        stack.callback(_end_all, server.home)
        yield _operator(tmp_path, server, queen)


def _operator(folder: Path, server: Server, queen: DaemonUnderTest) -> Operator:
    home = folder / "operator"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text(server.config("box"))
    env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    env |= {"HOME": str(home), "RBEE_CACHE_DIR": str(CACHE), "RBEE_QUEEN_URL": queen.url}
    settings = {
        "hive_id": "box",
        "port": free_port(),
        "first_worker_port": free_port(),
        "scripted_engine": 1,
        "discover": 0,
    }
    return Operator(
        env=env, server=server, settings=[f"--set={key}={value}" for key, value in settings.items()]
    )


def _end_all(home: Path) -> None:
    """Whatever was started on the machine."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(str(home) in word for word in process.cmdline()):
                process.kill()


def _hive_pid(home: Path) -> int:
    return json.loads((home / ".local/share/rbee/run/hive.json").read_text())["process"]["pid"]


def test_from_nothing_to_the_registry_and_back(operator: Operator) -> None:
    home = operator.server.home
    install = ["hive", "install", "--host", "box", *operator.settings]
    assert "not known here yet" in operator.types(*install, code=1)

    shown = operator.types(*install, "--fingerprint", operator.server.fingerprint, "--dry-run")
    assert "-m pip install" in shown
    assert "RBEE_HIVE_HIVE_ID='box'" in shown
    assert not any(home.iterdir())  # it only looked

    done = operator.told(*install)
    assert done["hive_id"] == "box"
    assert done["keeper"] == "process"
    assert "box" in operator.types("status")
    assert (home / PREFIX / "current").is_symlink()
    record = json.loads((home / PREFIX / "installed.json").read_text())
    assert (record["version"], record["build"]) == (__version__, done["build"])
    status = operator.status()
    assert (status["running"], status["build"]) == (True, done["build"])

    pid = _hive_pid(home)
    operator.types("hive", "upgrade", "--host", "box")
    assert _hive_pid(home) != pid
    assert operator.status()["running"] is True

    operator.types("hive", "stop", "--host", "box")
    assert operator.status(code=3)["running"] is False
    operator.types("hive", "start", "--host", "box")
    assert operator.status()["running"] is True

    gone = operator.types("hive", "uninstall", "--host", "box", "--purge", "--dry-run")
    assert "rm -rf" in gone
    assert operator.status()["running"] is True
    operator.types("hive", "uninstall", "--host", "box", "--purge")
    assert not [path for path in home.rglob("*") if path.is_file()]
    assert operator.status(code=3)["installed"] is False
    assert "hive install --host box" in operator.types("hive", "start", "--host", "box", code=1)


def test_a_version_that_does_not_start_gives_way_to_the_one_before(
    operator: Operator, tmp_path: Path
) -> None:
    home = operator.server.home
    operator.types("hive", "install", "--host", "box", "--accept-new-host", *operator.settings)
    before = operator.status()
    broken = tmp_path / "broken"
    shutil.copytree(
        Path(rbee.__file__).parent, broken / "rbee", ignore=shutil.ignore_patterns("__pycache__")
    )
    (broken / "rbee" / "hive" / "app.py").write_text("raise RuntimeError('a bad day')\n")
    said = operator.types(
        "hive", "upgrade", "--host", "box", code=1, env={"PYTHONPATH": str(broken)}
    )
    assert "a bad day" in said
    assert "putting the version before back" in said
    after = operator.status()
    assert after["running"] is True
    assert after["build"] == before["build"]
    assert (home / PREFIX / "current").readlink() == Path("versions", str(before["build"]))


@pytest.mark.parametrize(
    ("flags", "what", "way_out"),
    [
        (["--unit=system"], "was not started by systemd", "--unit process"),
        (["--python=/usr/bin/no-such-python"], "no Python 3.11 or newer", "--python"),
        (["--prefix=a b"], "blanks", "--prefix"),
        (["--set=labels"], "is no setting", "--set labels=gpu"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_left(
    operator: Operator, flags: list[str], what: str, way_out: str
) -> None:
    code = 2 if flags[0].startswith(("--set", "--prefix")) else 1
    said = operator.types(
        "hive", "install", "--host", "box", "--accept-new-host", *flags, code=code
    )
    assert what in said
    assert way_out in said
    assert not any(operator.server.home.iterdir())


def test_versions_are_not_mixed(operator: Operator, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(
        Path(rbee.__file__).parent, other / "rbee", ignore=shutil.ignore_patterns("__pycache__")
    )
    init = other / "rbee" / "__init__.py"
    init.write_text(init.read_text().replace(f'"{__version__}"', '"9.9.9"'))
    said = operator.types(
        "hive", "install", "--host", "box", "--accept-new-host", code=1,
        env={"PYTHONPATH": str(other)},
    )  # fmt: skip
    assert f"The queen is version {__version__}" in said
    assert "--any-version" in said
