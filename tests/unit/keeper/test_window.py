"""Which window a machine has for the console, and what is started for it."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from rbee.errors import InvalidRequest
from rbee.keeper import window
from rbee.keeper.webview_window import Place, is_reachable, kept_place
from rbee.keeper.window import (
    FLAGS_VARIABLE,
    Way,
    app_argv,
    find_browser,
    has_display,
    open_window,
    reason_in,
    until_closed,
    ways,
    window_environment,
)

REASON = "it cannot"
URL = "http://localhost:7833/"


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_browser_of_the_family_makes_an_app_window_before_a_tab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBEE_CACHE_DIR", str(tmp_path / "cache"))
    browser = program(tmp_path, "google-chrome")
    found = ways(URL, {"PATH": str(tmp_path)}, platform="linux")
    assert [way.kind for way in found][-2:] == ["app", "tab"]
    app = next(way for way in found if way.kind == "app")
    assert app.argv[:2] == (str(browser), f"--app={URL}")
    assert f"--user-data-dir={tmp_path / 'cache' / 'window'}" in app.argv
    assert "google-chrome" in app.said


def test_without_a_browser_there_is_a_tab(tmp_path: Path) -> None:
    assert find_browser({"PATH": str(tmp_path)}, platform="linux") is None
    assert ways(URL, {"PATH": str(tmp_path)}, platform="linux")[-1].kind == "tab"


STAND_IN = """
import json, os, pathlib
renderer = "none"
def create_window(title, url, **more):
    global asked
    asked = {"title": title, "url": url, "locale": os.environ.get("LC_ALL"), **more}
    return window
def start(**more):
    pathlib.Path(os.environ["SHOWN"]).write_text(json.dumps({**asked, **more}))
    for told in window.events.shown:
        told()
class Window:
    pass
class Handlers(list):
    def __iadd__(self, handler):
        self.append(handler)
        return self
settings, screens, window = {}, [], Window()
window.events = Window()
for name in ("shown", "before_show", "closing", "resized", "moved"):
    setattr(window.events, name, Handlers())
"""
"""pywebview as far as it is called; real ones were seen by hand: docs/console.md."""


@pytest.mark.anyio
async def test_pywebview_comes_first_and_gets_what_its_web_view_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "webview.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(str(tmp_path))  # pyright: ignore[reportUnknownMemberType]  untyped there
    monkeypatch.setenv("RBEE_CACHE_DIR", str(tmp_path))
    environment = {"PATH": "", "PYTHONPATH": str(tmp_path), "SHOWN": str(tmp_path / "shown")}
    environment["RBEE_CACHE_DIR"] = str(tmp_path)
    found = ways(URL, environment, platform="linux")
    assert found[0].kind == "pywebview"
    opened = await open_window(found[:1], URL, environment)
    assert opened is not None
    if opened.process is not None:
        await until_closed(opened.process)
    shown = json.loads((tmp_path / "shown").read_text())
    assert (opened.way.kind, shown["url"], shown["title"]) == ("pywebview", URL, "rbee")
    assert shown["private_mode"] is False  # who signed in stays signed in
    assert shown["text_select"] is True  # off, where nobody asks
    if sys.platform.startswith("linux"):
        assert shown["locale"] == "C.UTF-8"


@pytest.mark.anyio
async def test_what_does_not_start_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBEE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(window, "STAYS_S", 0.4)
    broken = program(tmp_path, "broken")
    broken.write_text(f"#!/bin/sh\necho '{REASON}' >&2\nexit 1\n")
    lasting = program(tmp_path, "lasting")
    lasting.write_text("#!/bin/sh\nexec sleep 60\n")
    found = [
        Way(kind="app", said=name, argv=(str(tmp_path / name),))
        for name in ("missing", "broken", "lasting")
    ]
    opened = await open_window(found, URL, {"PATH": os.environ["PATH"]})
    assert opened is not None
    assert opened.way.said == "lasting"
    assert opened.process is not None
    assert [why.partition(" (")[0] for why in opened.passed] == [f"Broken does not open: {REASON}"]
    opened.process.terminate()
    await until_closed(opened.process)


@pytest.mark.anyio
async def test_a_web_view_that_ends_without_a_window_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBEE_CACHE_DIR", str(tmp_path / "cache"))
    slow = program(tmp_path, "slow")
    slow.write_text("#!/bin/sh\nsleep 0.2\necho 'no such lib' >&2\nexit 0\n")
    way = Way(kind="pywebview", said="a window", argv=(str(slow),))
    assert await open_window([way], URL, {"PATH": os.environ["PATH"]}) is None


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("x:105] Running as root without --no-sandbox is not supported.", "--no-sandbox."),
        ('Could not load the Qt platform plugin "xcb" in ""', "libxcb-cursor0"),
        ("WebViewException: You must have either QT or GTK with", "rbee[desktop]"),
        ("first\nlibEGL.so.1: cannot open shared object file\n\n", "libEGL.so.1: cannot open"),
        ("", "without a word"),
    ],
)
def test_what_a_program_wrote_becomes_a_reason(tmp_path: Path, said: str, advice: str) -> None:
    log = tmp_path / "window.log"
    log.write_text(said)
    assert advice in reason_in(log)


def test_a_window_opens_where_it_was_unless_that_screen_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBEE_CACHE_DIR", str(tmp_path))
    assert kept_place() == Place()
    place = tmp_path / "webview" / "place.json"
    place.write_text('{"width": 100, "height": 700, "x": 2000, "y": 10, "maximized": false}')
    kept = kept_place()
    assert (kept.width, kept.height, kept.x) == (390, 700, 2000)  # never smaller than it may be
    assert not is_reachable(kept, [(0, 0, 1920, 1080)])
    assert is_reachable(kept, [(0, 0, 1920, 1080), (1920, 0, 1920, 1080)])
    assert is_reachable(Place(), [])
    place.write_text("{")
    assert kept_place() == Place()


def test_windows_keeps_browsers_in_its_program_folders(tmp_path: Path) -> None:
    place = tmp_path / r"Google\Chrome\Application\chrome.exe"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("")
    environment = {"PATH": "", "PROGRAMFILES": str(tmp_path)}
    assert find_browser(environment, platform="win32") == str(place)


def test_flags_of_the_operators_come_last_and_no_key_is_among_them(tmp_path: Path) -> None:
    environment = {FLAGS_VARIABLE: "--no-sandbox '--lang=en US'", "RBEE_API_KEY": "secret"}
    argv = app_argv("chromium", URL, tmp_path, environment)
    assert argv[-2:] == ("--no-sandbox", "--lang=en US")
    assert not any("secret" in word for word in argv)


def test_a_quote_that_is_never_closed_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"RBEE_BROWSER_FLAGS cannot be read.*no closing"):
        app_argv("chromium", URL, tmp_path, {FLAGS_VARIABLE: "'--lang=en US"})


@pytest.mark.parametrize(
    ("environment", "platform", "shown"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({FLAGS_VARIABLE: "--headless=new"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_a_window_wants_a_display(environment: dict[str, str], platform: str, shown: bool) -> None:
    assert has_display(environment, platform=platform) is shown


def test_web_views_of_linux_get_a_locale_and_no_dmabuf() -> None:
    bare = window_environment({"LANG": "C"}, platform="linux")
    assert (bare["LC_ALL"], bare["WEBKIT_DISABLE_DMABUF_RENDERER"]) == ("C.UTF-8", "1")
    own = window_environment(
        {"LANG": "de_DE.UTF-8", "WEBKIT_DISABLE_DMABUF_RENDERER": "0"}, platform="linux"
    )
    assert "LC_ALL" not in own
    assert own["WEBKIT_DISABLE_DMABUF_RENDERER"] == "0"
    assert window_environment({}, platform="darwin") == {}
    root = window_environment({FLAGS_VARIABLE: "--no-sandbox"}, platform="darwin")
    assert root["QTWEBENGINE_CHROMIUM_FLAGS"] == "--no-sandbox"
