"""A Tab in a real bash, zsh and fish, on a terminal, as `rbee completion` sets them up."""

import os
import pty
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from rbee.testing.workers import free_port

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are of Unix", allow_module_level=True)

import select

pytestmark = pytest.mark.system

WITHIN_S = 60.0  # a Tab takes 0.3 s; eleven of them on two busy cores need more
RBEE = Path(sys.executable).parent / "rbee"
MODEL = "Qwen/Qwen3-14B-GGUF:Qwen3-14B-Q4_K_M.gguf"

CASES: Final = {
    "rbee wor": "rbee worker",
    "rbee worker list --js": "rbee worker list --json",
    "rbee keys create x --scope op": "rbee keys create x --scope operator",
    "rbee keys create 'a b' --exp": "rbee keys create a b --expires",
    "rbee model download starte": "rbee model download starter",
    "rbee infer --model=starte": "rbee infer --model=starter",
    "rbee model download ./some": "rbee model download ./some-model.gguf",
    "rbee-keeper Qwen/Qwen3-14": f"rbee-keeper {MODEL}",
    "rbee-keeper Qwen/Qwen3-14B-GGUF:Qw": f"rbee-keeper {MODEL}",
    "rbee-keeper box-": "rbee-keeper box-w",  # the start of two names
}
"""What is typed before the Tab, and the line that is there after it."""

CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
"""What moves a terminal's cursor and sets its colours."""

COLONY: Final = f"""\
#!/bin/sh
for last; do :; done
printf '%s\\t%s\\n' '{MODEL}' 'ready: on 2 hives' box-w1 '' box-w2 'starter on box' | grep "^$last"
"""
"""Answers each Tab as `rbee __complete` does in a colony with these names, and at once."""


def shell_home(shell: str, home: Path, env: dict[str, str]) -> list[str]:
    """A home where completion was installed as `rbee completion --install` says; the command."""
    done = subprocess.run(
        [RBEE, "completion", "--install"], env=env, capture_output=True, text=True, check=True
    )
    if shell == "bash":
        (home / ".bashrc").write_text('eval "$(rbee completion bash)"\n')
    if shell == "zsh":
        told = re.findall(r"^  (fpath=.*|autoload.*)$", done.stderr, re.MULTILINE)
        assert len(told) == 2
        (home / ".zshrc").write_text("\n".join(told) + " -u\n")
    return [shell, "-i"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_tab_completes_the_line(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}: apt install {shell}")
    env = {
        "HOME": str(tmp_path),
        "PATH": os.pathsep.join([str(tmp_path), str(RBEE.parent), os.environ["PATH"]]),
        "TERM": "dumb" if shell == "fish" else "xterm",  # it asks others what they can
        "LC_ALL": "C.UTF-8",
        "SHELL": f"/bin/{shell}",
        "RBEE_QUEEN_PORT": str(free_port()),
    }
    argv = shell_home(shell, tmp_path, env)
    (tmp_path / "some-model.gguf").touch()
    (tmp_path / "rbee-keeper").write_text(COLONY)
    (tmp_path / "rbee-keeper").chmod(0o755)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execvpe(argv[0], argv, env)  # noqa: S606  no shell is wanted around it
    try:
        for number, (typed, line) in enumerate(CASES.items()):
            assert completed(terminal, typed, line, f"{number}=") == line
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(terminal)


def completed(terminal: int, typed: str, wanted: str, mark: str) -> str:
    """The line after a Tab; once more while the shell has not read its files.

    The keys wait in the terminal while a Tab is answered. Put before the line, echo shows it.
    """
    shown = re.compile(rf"(?:^|[\r\n]){mark} (rbee[ -][^\r\n]*?) *\r?\n")
    text, said, end = "", "", time.monotonic() + WITHIN_S
    os.write(terminal, keys := f"{typed}\t\x01echo {mark} \r".encode())
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        text += os.read(terminal, 65536).decode(errors="replace")
        if found := shown.search(CONTROL.sub("\n", text)):
            if found[1] == wanted:
                return wanted
            said, text = text, ""
            os.write(terminal, keys)
    raise TimeoutError(f"{wanted!r} was not shown: {said[-600:]!r} {text[-600:]!r}")
