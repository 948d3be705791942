"""Twenty spawn and kill cycles with two killed hives leave nothing behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak_workers.py"


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are counted as Unix does")
def test_twenty_cycles_leak_nothing() -> None:
    argv = [sys.executable, str(SOAK), "--cycles", "20", "--together", "3", "--hive-every", "8"]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = json.loads(ran.stdout)
    assert figures["hive_kills"] == 2
    assert not any(figures[what] for what in ("orphans", "cgroups_left", "ports_leaked"))
