"""The shim as a process, without a hive: how its engine ended is told, whatever happens."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rbee.hive.workers import shim
from rbee.hive.workers.shim import LAUNCH_FAILED

pytestmark = pytest.mark.system

SHIM = Path(shim.__file__)


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


def test_an_engine_that_nobody_can_be_told_of_does_not_run_on(tmp_path: Path) -> None:
    (tmp_path / "engine.json").mkdir()  # as a full disk does: the word cannot be written
    status, told = run(tmp_path, [sys.executable, "-c", "import time; time.sleep(60)"])
    assert status == told["code"] == LAUNCH_FAILED
    assert told["error"]
