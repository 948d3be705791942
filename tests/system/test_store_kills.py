"""SIGKILL at random moments: no accepted job is lost, none ends twice, no event is shown twice.

The drill itself is ``store_kills.py``; run it by hand with more kills and another seed.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 100
WITHIN_S = 120.0  # a tenth of it, on two idle cores


@pytest.mark.system
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the drill forks its children")
def test_no_job_is_lost_and_none_ends_twice(tmp_path: Path) -> None:
    seed = random.SystemRandom().randint(0, 1_000_000)
    drill = Path(__file__).with_name("store_kills.py")
    done = subprocess.run(
        [sys.executable, str(drill), str(tmp_path), str(KILLS), str(seed)],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["status"], found["lost"], found["wrong"]) == (0, [], []), f"seed {seed}"
    assert found["accepted"] > KILLS / 4, "the drill accepted too few jobs to say anything"
    assert found["resumed"] > KILLS / 4, "the drill broke too few jobs to say anything"
