"""What pywebview leaves out of its windows on Linux, done with the toolkit's own objects.

Seen with pywebview 6.2 on Qt 6 and GTK 3: the title does not follow the page's, the menu of
the right mouse button is off (and Paste with it), Qt's page cannot be loaded again and its
downloads fail. On macOS and Windows nothing is added. Called in the window's own thread
(``before_show``, ``closing``), where the toolkit may be touched.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

Untyped: TypeAlias = Any
"""An object of pywebview, Qt or GTK: none of them is there when types are checked."""

Where: TypeAlias = tuple[int, int, int, int, bool]
"""Width, height, x, y in pixels, and whether it fills the screen."""

_MENU: Final = ("Cut", "Copy", "Paste", "SelectAll", "Reload")
_OWN: Final = "rbee"  # in the title of every page of the console
_CONTEXT_MENU: Final = "context-menu"


def where(window: Untyped) -> Where | None:
    """Where a window is, as the next one must be told it; None where only its events say it."""
    native = window.native
    match _renderer():
        case "qtwebengine":
            return native.width(), native.height(), native.x(), native.y(), native.isMaximized()
        case "gtkwebkit2":
            return *native.get_size(), *native.get_position(), native.is_maximized()
        case _:
            return None


def complete(window: Untyped) -> None:
    """Add what is missing to a window that is not shown yet."""
    match _renderer():
        case "qtwebengine":
            _complete_qt(window.native)
        case "gtkwebkit2":
            _complete_gtk(window)
        case _:
            pass


def _renderer() -> str:
    return importlib.import_module("webview").renderer


def _complete_qt(native: Untyped) -> None:
    core, gui, widgets, engine = (
        importlib.import_module(f"qtpy.Qt{name}")
        for name in ("Core", "Gui", "Widgets", "WebEngineCore")
    )
    view, page = native.webview, native.webview.page()

    def follow(title: str) -> None:
        native.setWindowTitle(title if _OWN in title else _OWN)  # before it is loaded: the host

    view.titleChanged.connect(follow)
    actions = [page.action(getattr(engine.QWebEnginePage.WebAction, name)) for name in _MENU]
    actions[-1].setShortcuts(gui.QKeySequence.StandardKey.Refresh)
    native.addAction(actions[-1])

    def show_menu(at: Untyped) -> None:
        menu = widgets.QMenu(view)
        menu.addActions([action for action in actions if action.isEnabled()])
        menu.exec(view.mapToGlobal(at))

    view.setContextMenuPolicy(core.Qt.ContextMenuPolicy.CustomContextMenu)
    view.customContextMenuRequested.connect(show_menu)

    def permit(origin: Untyped, feature: Untyped) -> None:
        denied = engine.QWebEnginePage.PermissionPolicy.PermissionDeniedByUser
        page.setFeaturePermission(origin, feature, denied)

    _replace(page.featurePermissionRequested, permit)
    # Else every Copy asks for leave, and pywebview's answer fails.
    copying = engine.QWebEngineSettings.WebAttribute.JavascriptCanAccessClipboard
    page.settings().setAttribute(copying, True)  # noqa: FBT003  Qt's own

    def download(asked: Untyped) -> None:
        folder = Path(asked.downloadDirectory())
        at = (folder if folder.is_dir() else Path.home()) / asked.downloadFileName()
        chosen, _ = widgets.QFileDialog.getSaveFileName(native, "", str(at))
        if not chosen:
            asked.cancel()
            return
        asked.setDownloadDirectory(str(Path(chosen).parent))
        asked.setDownloadFileName(Path(chosen).name)
        asked.accept()

    _replace(page.profile().downloadRequested, download)


def _replace(signal: Untyped, slot: Callable[..., None]) -> None:
    """Answer a signal of Qt ourselves: pywebview's answers call what Qt 6 no longer has."""
    signal.disconnect()
    signal.connect(slot)


def _complete_gtk(window: Untyped) -> None:
    gobject = importlib.import_module("gi.repository.GObject")
    gtk = importlib.import_module("webview.platforms.gtk")
    view = gtk.BrowserView.instances[window.uid].webview

    def follow(_view: Untyped, _what: Untyped) -> None:
        window.native.set_title(view.get_title() or _OWN)

    view.connect("notify::title", follow)
    number = gobject.signal_lookup(_CONTEXT_MENU, view)
    gobject.signal_handlers_disconnect_matched(
        view, gobject.SignalMatchType.ID, number, 0, None, None, None
    )
