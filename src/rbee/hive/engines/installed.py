"""Engines that ``rbee engine install`` brought: a virtual environment for each.

They lie in ``<data>/engines/NAME``. The keeper makes the folder and writes
``installed.json`` last, so a folder without it is an installation that was cut
off and counts as none.
"""

import sys
import sysconfig
from pathlib import Path

import msgspec

from rbee.foundation import paths
from rbee.foundation.installs import INSTALLED_FILE, Installed


def home_of(name: str) -> Path:
    """Where an engine of this name is installed, or would be."""
    return paths.data_dir() / "engines" / name


def found(name: str) -> Installed | None:
    """What is installed under this name; None when nothing whole is."""
    try:
        return msgspec.json.decode((home_of(name) / INSTALLED_FILE).read_bytes(), type=Installed)
    except (OSError, msgspec.MsgspecError):
        return None


def packages_of(name: str) -> Path:
    """Where that environment keeps its packages."""
    home = str(home_of(name))
    return Path(sysconfig.get_path("purelib", "venv", {"base": home, "platbase": home}))


def program_of(name: str, program: str) -> Path:
    """A program of that environment."""
    windows = sys.platform == "win32"
    return home_of(name) / ("Scripts" if windows else "bin") / (program + (".exe" * windows))


def missing(name: str) -> str | None:
    """Why the engine of this name is not there; None when it is."""
    what = found(name)
    if what is None:
        return f"it is not installed (`rbee engine install {name}`)"
    if what.python != python_tag():
        return (
            f"it was installed for Python {what.python}, and this is {python_tag()} "
            f"(`rbee engine install {name}` installs it anew)"
        )
    return None


def python_tag() -> str:
    """The Python whose packages fit together, as ``3.11``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"
