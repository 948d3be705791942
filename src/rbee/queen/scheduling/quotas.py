"""Quotas of keys: tokens a day, counted by the calendar day in UTC.

``rates`` asks ``check`` before a request is admitted and tells ``debit`` what its answer
took, so answers under way may overdraw a quota as they may a rate. ``queen.keys.book``
keeps the counts in the store now and then and gives them back after a restart.

Pure: ``now`` is in Unix seconds.
"""

from typing import Final

import msgspec

from rbee.contracts.principals import Principal
from rbee.errors import QuotaExceeded

DAY_S: Final = 86_400  # a day of Unix time has no leap seconds


class Used(msgspec.Struct, frozen=True):
    """What a principal used on one day: ``day`` counts from 1970-01-01, UTC."""

    day: int
    tokens: int


class Quotas:
    """The counts of all principals that have a quota, and which of them are not kept yet."""

    def __init__(self) -> None:
        self._used: dict[str, Used] = {}
        self._changed: set[str] = set()

    def check(self, principal: Principal, now: float) -> None:
        """Let a request pass while something of today's quota is left.

        Raises:
            QuotaExceeded: 429, with the seconds until tomorrow.
        """
        quota = principal.tokens_per_day
        if quota is None or self.today(principal.id, now) < quota:
            return
        raise QuotaExceeded(
            f"The key {principal.name!r} has used its {quota} tokens of today (UTC).",
            retry_after_s=DAY_S - int(now) % DAY_S,
        )

    def debit(self, principal: Principal, tokens: int, now: float) -> None:
        """Count the tokens of an answer, prompt and completion."""
        if principal.tokens_per_day is None or tokens <= 0:
            return
        used = self.today(principal.id, now) + tokens
        self._used[principal.id] = Used(_day(now), used)
        self._changed.add(principal.id)

    def today(self, principal_id: str, now: float) -> int:
        """The tokens that it has used today."""
        used = self._used.get(principal_id)
        return used.tokens if used is not None and used.day == _day(now) else 0

    def restore(self, principal_id: str, used: Used) -> None:
        """What an earlier process counted; added to what came since this one's start."""
        since = self._used.get(principal_id)
        more = since.tokens if since is not None and since.day == used.day else 0
        if since is None or since.day <= used.day:
            self._used[principal_id] = Used(used.day, used.tokens + more)

    def forget(self, principal_id: str) -> None:
        """Its key is gone."""
        self._used.pop(principal_id, None)
        self._changed.discard(principal_id)

    def unkept(self) -> dict[str, Used]:
        """The counts that changed since they were ``kept``."""
        return {name: self._used[name] for name in self._changed}

    def kept(self, principal_id: str, used: Used) -> None:
        """This count is in the store; a newer one is not."""
        if self._used.get(principal_id) == used:
            self._changed.discard(principal_id)


def _day(now: float) -> int:
    return int(now // DAY_S)
