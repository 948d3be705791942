"""Bring an engine into a virtual environment of its own, on this machine.

``rbee engine install cuda`` comes here. An engine has its own packages, often
gigabytes and never ours, so each lies in ``<data>/engines/NAME`` and can be
thrown away by itself. The steps are commands that can be shown before they run;
an index with credentials is told to pip in its environment, never in a command
line. ``installed.json`` comes last: without it the hive counts the folder as none.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio
import msgspec

from rbee.errors import InvalidRequest, StartError
from rbee.foundation import paths
from rbee.foundation.files import write_struct
from rbee.foundation.installs import INSTALLED_FILE, Installed

GRAPHICS: Final = ("cuda", "rocm", "vulkan")
ENGINES: Final = (*GRAPHICS, "vllm")

_LLAMA: Final = "xllamacpp"
_LAST_LINES: Final = 3  # pip says why in its last lines


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an installation does. ``index`` null leaves it to pip's own settings."""

    engine: str
    home: Path
    package: str
    steps: tuple[tuple[str, ...], ...]
    index: str | None = None

    def shown(self) -> list[str]:
        """The commands as a shell would take them, without any credentials."""
        lines = [" ".join(_quoted(word) for word in step) for step in self.steps]
        if self.index is not None:
            lines[-1] = f"PIP_INDEX_URL={without_credentials(self.index)} {lines[-1]}"
        return lines


def make_plan(engine: str, index: str | None, package: str | None = None) -> Plan:
    """What installing ``engine`` means here; ``package`` replaces the usual one.

    Raises:
        InvalidRequest: there is no such engine to install.
    """
    if engine not in ENGINES:
        raise InvalidRequest(
            f"There is no engine {engine!r} to install.",
            remedy=f"There are: {', '.join(ENGINES)}.",
            param="NAME",
        )
    home = paths.data_dir() / "engines" / engine
    wanted = package or (_same_version() if engine in GRAPHICS else engine)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    return Plan(
        engine=engine,
        home=home,
        package=wanted,
        index=index,
        steps=(
            (sys.executable, "-m", "venv", "--clear", str(home)),
            (str(python), "-m", "pip", "install", "--no-input", "--progress-bar=off", wanted),
        ),
    )


async def install(plan: Plan, say: Callable[[str], None]) -> Installed:
    """Do it; ``say`` is told each line of the commands.

    Raises:
        StartError: a command failed; carries its last words.
    """
    env = {**os.environ, **({"PIP_INDEX_URL": plan.index} if plan.index else {})}
    (plan.home / INSTALLED_FILE).unlink(missing_ok=True)
    for step in plan.steps:
        await _run(step, env, say)
    done = Installed(
        package=plan.package,
        version=_installed_version(plan),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
    )
    write_struct(plan.home / INSTALLED_FILE, done)
    return done


def without_credentials(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


async def _run(step: tuple[str, ...], env: Mapping[str, str], say: Callable[[str], None]) -> None:
    lines: list[str] = []
    async with await anyio.open_process(
        step, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
    ) as process:
        rest = ""
        async for chunk in process.stdout or ():
            *whole, rest = (rest + chunk.decode(errors="replace")).split("\n")
            for line in filter(None, map(str.strip, whole)):
                lines.append(line)
                say(line)
        lines += [rest.strip()] if rest.strip() else []
        status = await process.wait()
    if status != 0:
        words = " ".join(lines[-_LAST_LINES:]) or f"status {status}"
        raise StartError(
            f"`{step[0]} {' '.join(step[1:4])} …` failed: {words}",
            remedy="Check the index (`--index URL`, [hive] engine_indexes) and the network.",
        )


def _same_version() -> str:
    """The build with graphics of exactly the version that runs here without."""
    try:
        return f"{_LLAMA}=={version_of(_LLAMA).partition('+')[0]}"
    except PackageNotFoundError:
        return _LLAMA


def _installed_version(plan: Plan) -> str:
    """As the new environment's folder of packages says it."""
    name = plan.package.partition("==")[0].partition("[")[0].replace("-", "_").lower()
    for path in plan.home.rglob("*.dist-info"):
        found, _, version = path.name.removesuffix(".dist-info").partition("-")
        if found.lower() == name:
            return version
    return "unknown"


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word
