"""The shim's own decisions, and its files. Its processes are tested with a real hive."""

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rbee.hive.workers import shim
from rbee.hive.workers.shim import LAUNCH_FAILED, Orphanhood, write_json

SHIM = Path(shim.__file__)


def test_only_a_sign_that_stands_still_for_long_orphans() -> None:
    orphan = Orphanhood(600.0, now_s=0.0)
    assert not orphan.look(1.0, 0.0)
    assert not orphan.look(1.0, 600.0)
    assert orphan.look(1.0, 600.1)
    assert not orphan.look(2.0, 601.0)
    assert not orphan.look(2.0, 1201.0)
    assert orphan.look(None, 1201.1)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20, unique=True))
def test_a_changed_date_orphans_nobody(signs: list[float]) -> None:
    orphan = Orphanhood(10.0, now_s=0.0)
    assert not any(orphan.look(sign, 9.0 * (n + 1)) for n, sign in enumerate(signs))


def test_files_are_replaced_and_private(tmp_path: Path) -> None:
    path = tmp_path / "exit.json"
    write_json(path, {"code": 1})
    write_json(path, {"code": 2})
    assert json.loads(path.read_text()) == {"code": 2}
    assert list(tmp_path.iterdir()) == [path]
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o077 == 0


def run(directory: Path, argv: list[str]) -> tuple[int, dict[str, object]]:
    launch = {
        "argv": argv,
        "env": {"ONLY": "this"},
        "log": str(directory / "worker.log"),
        "alive": str(directory / "alive"),
        "orphan_s": 60.0,
        "stop_s": 2.0,
    }
    (directory / "launch.json").write_text(json.dumps(launch))
    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(SHIM), str(directory)], check=False, timeout=30
    )
    told: dict[str, object] = json.loads((directory / "exit.json").read_text())
    return ended.returncode, told


def test_an_exit_code_is_told_and_the_environment_is_the_given_one(tmp_path: Path) -> None:
    words = "import os,sys; print(sorted(os.environ)[-1] >= 'ONLY'); sys.exit(65)"
    status, told = run(tmp_path, [sys.executable, "-c", words])
    assert (status, told["code"], told["signal"], told["orphaned"]) == (0, 65, None, False)
    assert json.loads((tmp_path / "engine.json").read_text())["pid"] > 0
    assert (tmp_path / "worker.log").read_text().strip() == "True"


def test_a_program_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    status, told = run(tmp_path, [str(tmp_path / "nothing")])
    assert status == told["code"] == LAUNCH_FAILED
    assert "nothing" in str(told["error"])


def test_the_shim_needs_nothing_but_the_standard_library() -> None:
    assert "rbee" not in {
        line.split()[1].partition(".")[0]
        for line in SHIM.read_text(encoding="utf-8").splitlines()
        if line.startswith(("import ", "from "))
    }


def test_an_engine_that_nobody_can_be_told_of_does_not_run_on(tmp_path: Path) -> None:
    (tmp_path / "engine.json").mkdir()  # as a full disk does: the word cannot be written
    status, told = run(tmp_path, [sys.executable, "-c", "import time; time.sleep(60)"])
    assert status == told["code"] == LAUNCH_FAILED
    assert told["error"]
