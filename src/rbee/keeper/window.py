"""A window for the console: what this machine has for it, best first, and how it is started.

pywebview where it is installed (the extra ``desktop``), else a window without tabs of a browser
of Chromium's family, else a tab of whatever browser is the default. Choosing is apart from
starting: ``ways`` looks, ``open_window`` tries one after the other and says what it took.
No way puts a key into an argument or a URL: the console asks for it.
"""

import importlib.util
import shlex
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

import anyio
import msgspec
from anyio.abc import ByteReceiveStream, Process

from rbee.errors import InvalidRequest
from rbee.foundation import paths
from rbee.foundation.files import make_private_dir

Kind: TypeAlias = Literal["pywebview", "app", "tab"]

FLAGS_VARIABLE: Final = "RBEE_BROWSER_FLAGS"
"""More flags for the browser, as a shell would split them: ``--no-sandbox`` for root."""

STAYS_S: Final = 1.5
"""A browser that cannot start (no display, root without --no-sandbox) ends within a second."""

SHOWS_S: Final = 30.0
"""Qt's libraries alone took 4 s on a busy machine; a window that is later is none."""

CLOSES_S: Final = 5.0
"""A web view writes its cookies when it is closed."""

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
SHOWN: Final = b"shown"
"""What `webview_window` says on its stdout when its window is there."""

_REASON_MAX: Final = 200  # characters: a line or two of a terminal
_REASONS: Final = (
    (
        "without --no-sandbox",
        f"as root it wants to be told so. Run it as a user, or with {FLAGS_VARIABLE}=--no-sandbox.",
    ),
    (
        'load the Qt platform plugin "xcb"',
        "Qt lacks libraries: `apt install libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1`.",
    ),
    (
        "You must have either QT or GTK",
        "there is neither Qt nor GTK for it. `pip install 'rbee[desktop]'` brings Qt.",
    ),
)
"""What programs write that open no window, and what that means for a person."""

_LOCALE: Final = "C.UTF-8"  # in every glibc of the last years


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to show a page. ``argv`` is what is started; empty for a tab."""

    kind: Kind
    said: str
    argv: tuple[str, ...] = ()


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A page that is shown: how, by which process if it stays, and why not by a better way."""

    way: Way
    process: Process | None = None
    passed: tuple[str, ...] = ()


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

    Raises:
        InvalidRequest: a quote in ``RBEE_BROWSER_FLAGS`` is never closed.
    """
    return (
        browser,
        f"--app={url}",
        f"--user-data-dir={profile}",
        "--class=rbee",
        "--no-first-run",
        "--no-default-browser-check",
        *_flags(environment),
    )


def _flags(environment: Mapping[str, str]) -> list[str]:
    given = environment.get(FLAGS_VARIABLE, "")
    try:
        return shlex.split(given)
    except ValueError as error:
        raise InvalidRequest(
            f"{FLAGS_VARIABLE} cannot be read as flags: {given!r} ({str(error).casefold()}).",
            remedy="Quote as in a shell: --no-sandbox '--lang=en US'.",
        ) from error


def has_display(environment: Mapping[str, str], *, platform: str = sys.platform) -> bool:
    """Whether a window can be shown at all; a headless browser shows none and needs none."""
    if platform in {"darwin", "win32"} or "--headless" in environment.get(FLAGS_VARIABLE, ""):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def window_environment(environment: Mapping[str, str], *, platform: str) -> dict[str, str]:
    """What web views want: Qt's the browser's flags, WebKitGTK two things more.

    With the locale C its pages stay empty, with DMA-BUF they are white on NVIDIA's drivers.
    """
    env = dict(environment)
    if environment.get(FLAGS_VARIABLE):
        env.setdefault("QTWEBENGINE_CHROMIUM_FLAGS", environment[FLAGS_VARIABLE])
    if platform.startswith("linux"):
        said = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or "C"
        if said in {"C", "POSIX"}:
            env["LC_ALL"] = _LOCALE
        env.setdefault("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
    return env


async def open_window(found: list[Way], url: str, environment: Mapping[str, str]) -> Opened | None:
    """Show the page by the first way that works; None where none does."""
    env = window_environment(environment, platform=sys.platform)
    passed: list[str] = []
    for way in found:
        if not way.argv:
            shown = webbrowser.open(url)
            return Opened(way=way, passed=tuple(passed)) if shown else None
        log = _log_of(way)
        process = await _start(way, env, log)
        if process is not None and await _works(way, process):
            stays = process if process.returncode is None else None
            return Opened(way=way, process=stays, passed=tuple(passed))
        if process is not None:
            await _end(process)
            passed.append(f"{way.said[0].upper()}{way.said[1:]} does not open: {reason_in(log)}")
    return None


def _log_of(way: Way) -> Path:
    folder = make_private_dir(paths.cache_dir())
    return folder / f"window-{way.kind}.log"


async def _start(way: Way, env: dict[str, str], log: Path) -> Process | None:
    try:
        with log.open("wb") as said:
            return await anyio.open_process(
                way.argv,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if way.kind == "pywebview" else subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # Ctrl+C is ours to judge
            )
    except OSError:
        return None


async def _works(way: Way, process: Process) -> bool:
    """Whether it shows its window, as far as it can be known.

    pywebview says so; a browser still runs after a moment, or handed the page over and ended well.
    """
    if way.kind == "pywebview":
        return process.stdout is not None and await _says_shown(process.stdout)
    with anyio.move_on_after(STAYS_S):
        await process.wait()
    return process.returncode in {None, 0}


async def _says_shown(stdout: ByteReceiveStream) -> bool:
    said = b""
    with anyio.move_on_after(SHOWS_S), suppress(anyio.EndOfStream):
        while SHOWN not in said:
            said += await stdout.receive()
    return SHOWN in said


async def until_closed(process: Process) -> None:
    """Return when the window is closed; a cancelled wait closes it."""
    try:
        await process.wait()
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    with anyio.CancelScope(shield=True):
        with anyio.move_on_after(CLOSES_S):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


def reason_in(log: Path) -> str:
    """Why a window did not open, with what to do, by what its program wrote."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        text = ""
    for mark, reason in _REASONS:
        if mark in text:
            return reason
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{lines[-1][:_REASON_MAX]} ({log})" if lines else "it ended without a word."
