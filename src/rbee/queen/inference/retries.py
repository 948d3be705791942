"""How many second tries the colony can afford: a budget, so that no storm begins.

When workers fall over because they are overloaded, every retry makes it worse. So
retries are paid for by requests: each one earns a fifth of a retry, and a reserve
lets a quiet colony retry at all (reliability.md, rule 3). A continuation of a
stream that broke does not use it: its client has seen words already.
"""

from typing import Final

RETRY_SHARE: Final = 0.2  # of the requests; with more, retries are a load of their own
RESERVE: Final = 10.0  # a restarted worker breaks as many requests as it had slots
RESERVE_MAX: Final = 100.0  # a quiet hour does not pay for a storm


class RetryBudget:
    """Earned by requests, spent by retries."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = RESERVE

    def earn(self) -> None:
        """A request came in."""
        if self._left < RESERVE_MAX:
            self._left += RETRY_SHARE

    def spend(self) -> bool:
        """Take one retry; False when there is none."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
