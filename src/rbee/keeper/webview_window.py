"""The console in a window of pywebview, in a process of its own: its loop wants the main thread.

Run as ``python -m rbee.keeper.webview_window URL``; ``window`` starts it with the environment
that the platform's web view needs, which must be set before its libraries are loaded.
"""

import importlib
import sys
from typing import Any, Final

WIDTH: Final = 1280  # the console's wide layout, on a laptop's screen
HEIGHT: Final = 860
MIN_SIZE: Final = (390, 500)  # below it the console is not made for


def show(url: str) -> None:
    """Show a page until its window is closed; cookies stay for the next time."""
    webview: Any = importlib.import_module("webview")  # the extra `desktop`
    webview.create_window("rbee", url, width=WIDTH, height=HEIGHT, min_size=MIN_SIZE)
    webview.start(private_mode=False)


if __name__ == "__main__":
    show(sys.argv[1])
