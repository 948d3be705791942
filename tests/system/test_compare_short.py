"""A few seconds of ``benchmarks/compare.py``: the mock, the load generator, a queen, the table."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

COMPARE = Path(__file__).parents[2] / "benchmarks" / "compare.py"
SCENARIOS = ("unary-64", "assembled-64", "paced-64", "cancel-stream", "cancel-assembled")


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None,
    reason="mock and load generator are C programs around epoll",
)
def test_a_queen_is_measured_and_judged(tmp_path: Path) -> None:
    output = tmp_path / "compare"
    argv = [sys.executable, str(COMPARE), "--quick", "--candidates", "direct", "rbee"]
    argv += ["--scenarios", *SCENARIOS, "--output", str(output)]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    results = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert not results["failures"]
    assert not results["absent"]
    for name, runs in results["loads"].items():
        (seen,) = runs["rbee"]
        assert seen["bad_status"] == seen["failures"] == 0, (name, seen)
        assert seen["answers"], name
    for runs in results["cancels"].values():
        assert runs["rbee"]["never"] == 0
    assert "| cancel of a stream | <= 50 ms |" in ran.stdout
    assert output.with_suffix(".svg").read_text(encoding="utf-8").startswith("<svg")
