"""Colonies that serve the built console, and what may not go wrong in a page of theirs."""

import os
import re
import shutil
from pathlib import Path

import msgspec
from playwright.sync_api import ConsoleMessage, Page, Request, Response, ViewportSize

from rbee.console.site import DIRECTORY_VARIABLE
from rbee.testing.colony import Colony, DaemonUnderTest

WITHIN_MS = 15_000  # two cores, busy with engines: far longer than anything takes
WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}

# A page that goes away breaks off what it was asking for: that is no fault.
_BROKEN_OFF = "net::ERR_ABORTED"


class Here(msgspec.Struct, kw_only=True):
    """A colony under test. ``url`` is the queen's, under a name that the gate knows."""

    colony: Colony
    queen: DaemonUnderTest
    hive: DaemonUnderTest

    @property
    def url(self) -> str:
        """Where her console is."""
        return f"http://localhost:{self.queen.port}"


class Faults:
    """What went wrong in a page; ``expected`` are patterns of what may."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.expected: list[str] = []

    def watch(self, page: Page) -> None:
        """Listen to a page from now on."""
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.seen.append(f"uncaught: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def left(self) -> list[str]:
        """What nobody expected."""
        return [one for one in self.seen if not any(re.search(p, one) for p in self.expected)]

    def _said(self, message: ConsoleMessage) -> None:
        # Chromium says every answer of 400 and more here, too; those are judged by their status.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.seen.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != _BROKEN_OFF:
            self.seen.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.seen.append(f"answered {response.status}: {response.url}")


def start_colony(
    colony: Colony,
    console: Path,
    *,
    starter: Path | None = None,
    queen: dict[str, str] | None = None,
    hive: dict[str, str] | None = None,
    queen_cache: Path | None = None,
) -> Here:
    """A queen that serves the built console, and one hive; settings as in ``Colony``."""
    mistress = colony.queen(start=False, **(queen or {}))
    worker = colony.hive(start=False, **(hive or {}))
    for daemon in (mistress, worker):
        daemon.env[DIRECTORY_VARIABLE] = str(console)
    if queen_cache is not None:
        mistress.env["RBEE_CACHE_DIR"] = str(queen_cache)
    if starter is not None:
        models = Path(worker.env["RBEE_CACHE_DIR"]) / "models"
        shutil.copytree(starter.parent, models / starter.parent.name, copy_function=os.link)
    mistress.start()
    worker.start()
    return Here(colony=colony, queen=mistress, hive=worker)
