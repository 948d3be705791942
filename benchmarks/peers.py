"""The peers that a package registry ships, each in a virtual environment of its own.

They lie under ``build/peers`` (not under version control) and are installed
once: a second run finds them, an interrupted one goes on. What cannot be
installed here is reported as absent, with pip's own words.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "build" / "peers"
INSTALL_WITHIN_S: Final = 900.0  # the largest brings a hundred packages
REQUIREMENTS: Final[Mapping[str, str]] = {
    "sglang-router": "sglang-router==0.3.2",
    "vllm-router": "vllm-router==0.1.17",
    "litellm": "litellm[proxy]==1.106.2",
}


class Absent(RuntimeError):
    """A peer that is not to be had here; the text says why."""


def command(name: str) -> list[str]:
    """How to start a peer, installed first where it is not.

    Raises:
        Absent: no environment could be made, or pip refused.
    """
    home = FOLDER / name
    done = home / ".installed"
    wanted = REQUIREMENTS[name]
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        print(f"installing {wanted} into {home} ...", file=sys.stderr, flush=True)
        _install(home, wanted)
        done.write_text(wanted, encoding="utf-8")
    return [str(home / "bin" / "python"), str(home / "bin" / name)]


def version(name: str) -> str:
    """The version that ``REQUIREMENTS`` pins."""
    return REQUIREMENTS[name].rpartition("==")[2]


def _install(home: Path, wanted: str) -> None:
    # The interpreter below ours: a project environment need not have pip.
    python = str(Path(sys.base_prefix) / "bin" / "python3")
    if not (home / "bin" / "python").exists():
        _run([python, "-m", "venv", "--without-pip", str(home)])
    pip = [python, "-m", "pip", "--python", str(home / "bin" / "python")]
    _run([*pip, "install", "-q", "--disable-pip-version-check", wanted])


def _run(argv: list[str]) -> None:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=INSTALL_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Absent(str(error)) from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise Absent(said[-1])
