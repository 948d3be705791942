"""The console in a window of pywebview, in a process of its own: its loop wants the main thread.

Run as ``python -m rbee.keeper.webview_window URL``; ``window`` starts it with the environment
that the platform's web view needs, which must be set before its libraries are loaded, and
waits for the word ``SHOWN`` on its stdout: these libraries can take seconds, and fail at their very end.
What pywebview leaves out of Qt's and GTK's windows stands in ``webview_native``.
"""

import importlib
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec

from rbee.console.site import console_dir
from rbee.foundation import paths
from rbee.foundation.files import make_private_dir, write_atomic
from rbee.keeper import webview_native
from rbee.keeper.window import SHOWN

TITLE: Final = "rbee"
MIN_SIZE: Final = (390, 500)  # below it the console is not made for
_MARGIN: Final = 80  # pixels of a window that must be on a screen to take hold of it


class Place(msgspec.Struct, frozen=True):
    """Where a window is, in pixels; ``x`` and ``y`` are None until somebody has moved it."""

    width: int = 1280  # the console's wide layout, on a laptop's screen
    height: int = 860
    x: int | None = None
    y: int | None = None
    maximized: bool = False


def kept_place() -> Place:
    """How the window was when it was closed last."""
    try:
        place = msgspec.json.decode((_folder() / "place.json").read_bytes(), type=Place)
    except (OSError, msgspec.MsgspecError):
        return Place()
    return msgspec.structs.replace(
        place, width=max(MIN_SIZE[0], place.width), height=max(MIN_SIZE[1], place.height)
    )


def is_reachable(place: Place, screens: list[tuple[int, int, int, int]]) -> bool:
    """Whether enough of its title is on a screen (x, y, width, height): one may be unplugged."""
    if place.x is None or place.y is None:
        return True
    return any(
        x - place.width + _MARGIN <= place.x <= x + width - _MARGIN
        and y - 1 <= place.y <= y + height - _MARGIN
        for x, y, width, height in screens
    )


def show(url: str) -> None:
    """Show a page until its window is closed; cookies and its place stay for the next time."""
    sys.argv[:] = [TITLE]  # what docks and task lists call the window
    webview: Any = importlib.import_module("webview")  # the extra `desktop`
    webview.settings["ALLOW_DOWNLOADS"] = True  # a chat or a log as a file
    webview.settings["ALLOW_FILE_URLS"] = False
    place = kept_place()
    window = _window(webview, url, place)
    seen = place

    def resized(width: int, height: int) -> None:
        nonlocal seen
        seen = msgspec.structs.replace(seen, width=width, height=height)

    def moved(x: int, y: int) -> None:
        nonlocal seen
        seen = msgspec.structs.replace(seen, x=x, y=y)

    def keep() -> None:
        found = webview_native.where(window)
        last = seen if found is None else Place(*found)
        if last.maximized:  # its size is the screen's: keep the one that it goes back to
            last = msgspec.structs.replace(place, maximized=True)
        write_atomic(_folder() / "place.json", msgspec.json.encode(last))

    def shown() -> None:
        screens = [(one.x, one.y, one.width, one.height) for one in webview.screens]
        if not is_reachable(place, screens):
            window.move(screens[0][0] + _MARGIN, screens[0][1] + _MARGIN)
        print(SHOWN.decode(), flush=True)

    def close(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one finds no window any more
        window.destroy()  # in good order, so that cookies reach the disk

    def prepare() -> None:
        webview_native.complete(window)

    window.events.before_show += prepare
    window.events.shown += shown
    window.events.resized += resized
    window.events.moved += moved
    window.events.closing += keep
    signal.signal(signal.SIGTERM, close)
    icon = console_dir() / "icons" / "icon-192.png"
    webview.start(
        private_mode=False,
        storage_path=str(_folder()),
        icon=str(icon) if icon.is_file() else None,
    )


def _window(webview: webview_native.Untyped, url: str, place: Place) -> webview_native.Untyped:
    return webview.create_window(
        TITLE,
        url,
        width=place.width,
        height=place.height,
        x=place.x,
        y=place.y,
        maximized=place.maximized,
        min_size=MIN_SIZE,
        text_select=True,
        zoomable=True,
    )


def _folder() -> Path:
    return make_private_dir(paths.cache_dir() / "webview")  # sessions are in it


if __name__ == "__main__":
    show(sys.argv[1])
