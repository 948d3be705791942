"""One download that runs or waits for its turn, and all who wait for it.

``downloads`` owns these: it says when one begins and why it ends. Each listener hears of its
progress, at most five times a second, and of what is said on the way; ``row`` is what the
beats tell of it.
"""

import time
from collections.abc import Callable

import anyio

from rbee.contracts.models import Download, DownloadProgress, Model
from rbee.errors import RbeeError
from rbee.hive.models.download_book import Entry
from rbee.hive.models.rate import WINDOW_S, Rate
from rbee.hive.models.wanted import Phase, Say, Wanted

Progress = Callable[[DownloadProgress], None]


class SharedDownload:
    """One running download and those who wait for it. ``entry`` is its line in the book."""

    def __init__(self, wanted: Wanted, entry: Entry) -> None:
        self.wanted = wanted
        self.entry = entry
        self.has_turn = False
        self.has_room = False
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()
        self.listeners: list[tuple[Progress, Say]] = []
        self.last: DownloadProgress | None = None
        self.model: Model | None = None
        self.error: RbeeError | None = None
        self._rate = Rate()
        self._reported_s = 0.0

    def report(self, have: int, total: int | None, phase: Phase) -> None:
        """Tell the listeners, at most five times a second and at every new phase."""
        self._reported_s = now = time.monotonic()
        self._rate.add(have, now)
        self.last = self._rate.progress(have, total, phase)
        if self._rate.due(phase, now) or (phase == "download" and have == total):
            for on_progress, _ in list(self.listeners):
                on_progress(self.last)

    def say(self, text: str) -> None:
        """Tell the listeners a sentence; the beats tell the last one."""
        self.entry.reason = text
        for _, on_message in list(self.listeners):
            on_message(text)

    def stop(self, error: RbeeError | None = None) -> None:
        """End it; ``error`` is what those who wait for it hear."""
        self.error = error
        self.scope.cancel()

    def note(self) -> Entry:
        """Its line in the book, with what has come by now."""
        if self.last is not None:
            self.entry.bytes = self.last.bytes
            self.entry.total = self.last.total or self.entry.total
        return self.entry

    def row(self, position: int | None) -> Download:
        """As beats tell it; ``position`` is its place among those that wait."""
        row, last = self.note().row(), self.last
        row.state, row.position = ("running", None) if self.has_turn else ("queued", position)
        if last is not None:
            row.phase, row.rate_bytes_s, row.eta_s = last.phase, last.rate_bytes_s, last.eta_s
            if last.phase == "download" and time.monotonic() - self._reported_s > WINDOW_S:
                row.rate_bytes_s, row.eta_s = 0.0, None  # nothing comes: the last rate is old
        return row
