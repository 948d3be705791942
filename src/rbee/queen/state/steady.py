"""Moments that are told as ages: kept still while they only tremble. Pure.

A hive says "up for 61.2 s" each second; the row says "since 10:03:07". Worked out anew each
second the moment would move by the beat's delay, and every row would change every second
for nothing. So a moment stays what it was until it has really moved.
"""

from typing import Final

TREMBLE_S: Final = 3.0  # a beat may be late by two seconds before its hive counts as degraded


class Steady:
    """Moments by key. ``sweep`` forgets those that nobody asked for since the last one."""

    def __init__(self) -> None:
        self._now: dict[str, float] = {}
        self._asked: dict[str, float] = {}

    def moment(self, key: str, age_s: float | None, at: float) -> float | None:
        """When it was, in whole Unix seconds, for an age at Unix time ``at``; None stays None."""
        if age_s is None:
            return None
        found = at - age_s
        before = self._now.get(key)
        if before is None or abs(found - before) > TREMBLE_S:
            before = float(round(found))
        self._asked[key] = before
        return before

    def sweep(self) -> None:
        """A round of asking is over."""
        self._now, self._asked = self._asked, {}
