"""Tokens a second of a worker, from what it says of itself each second.

An engine's counter and its slots are two answers, and a request may end between them:
then it stands in neither, the sum falls for one look and catches up at the next. Such a
fall is no news. The rate of the look before stands, and the next is reckoned from before
the fall, so that no look shows a whole answer as if it had been written in one second.
"""

from typing import Final

FALLS_MAX: Final = 1  # two in a row: an answer was broken off, or the server counts anew


class TokenRate:
    """The looks at one generation of a worker."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None
        self._rate: float | None = None
        self._falls = 0

    def look(self, tokens_total: float | None, now_s: float) -> float | None:
        """Tokens a second since the look before; null without two looks. ``now_s`` is monotonic."""
        before = self._before
        if tokens_total is None:
            self._before = self._rate = None
            return None
        if before is not None and tokens_total < before[1] and self._falls < FALLS_MAX:
            self._falls += 1
            return self._rate
        self._falls = 0
        self._before = (now_s, tokens_total)
        if before is None or now_s <= before[0] or tokens_total < before[1]:
            self._rate = None
        else:
            self._rate = round((tokens_total - before[1]) / (now_s - before[0]), 1)
        return self._rate
