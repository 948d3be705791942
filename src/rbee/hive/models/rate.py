"""How fast bytes come and when they will all be here: pure, over the last seconds.

A mean over the whole download would hide that the network got slower, the last
chunk alone would jump; a window of a few seconds is what a person reads.
"""

from collections import deque
from typing import Final

from rbee.contracts.models import DownloadProgress
from rbee.hive.models.wanted import Phase

WINDOW_S: Final = 5.0  # long enough to be calm, short enough to notice a change
REPORT_INTERVAL_S: Final = 0.2  # five a second are a smooth bar and few events
_SAMPLES_MIN: Final = 2  # a rate needs two moments


class Rate:
    """Samples of one download; ``now`` is a monotonic time in seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._last_report_s: float | None = None
        self._last_phase: Phase | None = None

    def add(self, have: int, now: float) -> None:
        """Note that ``have`` bytes are here. Fewer than before starts the window anew."""
        if self._samples and have < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((now, have))
        while len(self._samples) > _SAMPLES_MIN and self._samples[1][0] <= now - WINDOW_S:
            self._samples.popleft()

    def due(self, phase: Phase, now: float) -> bool:
        """Whether a report should be shown now: a new phase, or the interval is over."""
        fresh = phase != self._last_phase
        waited = self._last_report_s is None or now - self._last_report_s >= REPORT_INTERVAL_S
        if fresh or waited:
            self._last_phase, self._last_report_s = phase, now
            return True
        return False

    def progress(self, have: int, total: int | None, phase: Phase) -> DownloadProgress:
        """The report; rate and eta are null until there is something to tell."""
        rate = self._bytes_per_s() if phase == "download" else None
        left = None if total is None else max(total - have, 0)
        eta = left / rate if left is not None and rate else None
        return DownloadProgress(bytes=have, total=total, rate_bytes_s=rate, eta_s=eta, phase=phase)

    def _bytes_per_s(self) -> float | None:
        if not self._samples:
            return None
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else None
