"""A window for the console: what this machine has for it, best first, and how it is started.

pywebview where it is installed (the extra ``desktop``), else a window without tabs of a browser
of Chromium's family, else a tab of whatever browser is the default. Choosing is apart from
starting: ``ways`` looks, ``open_window`` tries one after the other and says what it took.
No way puts a key into an argument or a URL: the console asks for it.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

import anyio
import msgspec
from anyio.abc import Process

from rbee.foundation import paths

Kind: TypeAlias = Literal["pywebview", "app", "tab"]

FLAGS_VARIABLE: Final = "RBEE_BROWSER_FLAGS"
"""More flags for the browser, as a shell would split them: ``--no-sandbox`` for root."""

STAYS_S: Final = 1.5
"""A browser that cannot start (no display, root without --no-sandbox) ends within a second."""

NAMES: Final = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge", "microsoft-edge-stable", "msedge", "brave-browser", "brave", "vivaldi",
    "vivaldi-stable", "opera",
)  # fmt: skip
"""What browsers of Chromium's family are called on a PATH."""

_MAC: Final = ("Google Chrome", "Chromium", "Microsoft Edge", "Brave Browser", "Vivaldi")
_WINDOWS: Final = (
    r"Google\Chrome\Application\chrome.exe",
    r"Microsoft\Edge\Application\msedge.exe",
    r"BraveSoftware\Brave-Browser\Application\brave.exe",
    r"Chromium\Application\chrome.exe",
)
_PROGRAM_FOLDERS: Final = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
_LOCALE: Final = "C.UTF-8"  # in every glibc of the last years


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to show a page. ``argv`` is what is started; empty for a tab."""

    kind: Kind
    said: str
    argv: tuple[str, ...] = ()


def ways(url: str, environment: Mapping[str, str], *, platform: str = sys.platform) -> list[Way]:
    """What there is on this machine, best first; always ends with a tab."""
    found: list[Way] = []
    if importlib.util.find_spec("webview") is not None:
        argv = (sys.executable, "-m", "rbee.keeper.webview_window", url)
        found.append(Way(kind="pywebview", said="a window of its own (pywebview)", argv=argv))
    browser = find_browser(environment, platform=platform)
    if browser is not None:
        argv = app_argv(browser, url, paths.cache_dir() / "window", environment)
        found.append(Way(kind="app", said=f"an app window of {Path(browser).stem}", argv=argv))
    return [*found, Way(kind="tab", said="a tab of the default browser")]


def find_browser(environment: Mapping[str, str], *, platform: str = sys.platform) -> str | None:
    """A browser of Chromium's family: on PATH, else where each system installs them."""
    on_path = environment.get("PATH")
    for name in NAMES:
        found = shutil.which(name, path=on_path)
        if found is not None:
            return found
    places: list[Path] = []
    if platform == "darwin":
        places = [Path(f"/Applications/{app}.app/Contents/MacOS/{app}") for app in _MAC]
    elif platform == "win32":
        folders = [environment[name] for name in _PROGRAM_FOLDERS if environment.get(name)]
        places = [Path(folder, inside) for inside in _WINDOWS for folder in folders]
    return next((str(place) for place in places if place.is_file()), None)


def app_argv(
    browser: str, url: str, profile: Path, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """The command for a window without tabs.

    A profile of its own makes it a process of its own: in the usual one a browser that runs
    already would take the page and end at once.
    """
    return (
        browser,
        f"--app={url}",
        f"--user-data-dir={profile}",
        "--class=rbee",
        "--no-first-run",
        "--no-default-browser-check",
        *shlex.split(environment.get(FLAGS_VARIABLE, "")),
    )


def has_display(environment: Mapping[str, str], *, platform: str = sys.platform) -> bool:
    """Whether a window can be shown at all; a headless browser shows none and needs none."""
    if platform in {"darwin", "win32"} or "--headless" in environment.get(FLAGS_VARIABLE, ""):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def window_environment(environment: Mapping[str, str], *, platform: str) -> dict[str, str]:
    """What WebKitGTK wants: no C locale (pages stay empty), no DMA-BUF (white with NVIDIA)."""
    env = dict(environment)
    if platform.startswith("linux"):
        said = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or "C"
        if said in {"C", "POSIX"}:
            env["LC_ALL"] = _LOCALE
        env.setdefault("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
    return env


async def open_window(
    found: list[Way], url: str, environment: Mapping[str, str]
) -> tuple[Way, Process | None] | None:
    """Show the page by the first way that works; the process of its window, if it stays."""
    env = window_environment(environment, platform=sys.platform)
    for way in found:
        if not way.argv:
            return (way, None) if webbrowser.open(url) else None
        process = await _start(way.argv, env)
        if process is not None and await _works(process):
            return way, process if process.returncode is None else None
    return None


async def _start(argv: tuple[str, ...], env: dict[str, str]) -> Process | None:
    quiet = None if os.environ.get("RBEE_DEBUG") else subprocess.DEVNULL
    try:
        return await anyio.open_process(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=quiet,
            stderr=quiet,
            start_new_session=True,  # Ctrl+C is ours to judge
        )
    except OSError:
        return None


async def _works(process: Process) -> bool:
    """Whether it still runs after a moment, or handed the page over and ended well."""
    with anyio.move_on_after(STAYS_S):
        await process.wait()
    return process.returncode in {None, 0}


async def until_closed(process: Process) -> None:
    """Return when the window is closed; a cancelled wait closes it."""
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            with anyio.CancelScope(shield=True), anyio.move_on_after(STAYS_S):
                await process.wait()
