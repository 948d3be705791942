"""What bash gets from the completion's script, asked without a terminal: many lines, quickly."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rbee.keeper.completion.scripts import SCRIPTS
from rbee.testing.workers import free_port

pytestmark = pytest.mark.system

BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("rbee wor", ["worker"]),
        ("rbee completion ", ["bash", "fish", "zsh"]),
        ("rbee model download --hive=x --js", ["--json"]),
        ("rbee infer --model=start", ["starter"]),
    ],
)
def test_in_a_real_bash(line: str, offers: list[str]) -> None:
    script = f'{SCRIPTS["bash"]}\n_rbee; printf "%s\\n" "${{COMPREPLY[@]}}"'
    env = os.environ | {"COMP_LINE": line, "COMP_POINT": str(len(line))}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    env["RBEE_QUEEN_PORT"] = str(free_port())
    found = subprocess.run(
        [str(BASH), "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert (found.stdout.splitlines(), found.stderr) == (offers, "")
