"""How fast model bytes may go: one budget for all transfers of a kind together.

``TokenBucket`` is pure arithmetic over given times: whoever takes bytes learns how
long to wait before the next ones. Bytes that have arrived already are counted at
once, so the level may go below zero; parallel downloads then wait behind each
other's bytes and together keep the rate. ``Pace`` does the waiting.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import anyio

BURST_S: Final = 0.25  # bytes saved up while the line was idle: a quarter second's worth

Pace: TypeAlias = Callable[[int], Awaitable[None]]
"""``await pace(n)``: ``n`` bytes have come; returns when more may be read."""


class TokenBucket:
    """``rate`` bytes a second, at most ``burst`` of them saved up; starts full."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._at = now

    def take(self, count: int, now: float) -> float:
        """Take ``count`` bytes at ``now``; the seconds until the level is not below zero."""
        passed = max(0.0, now - self._at)
        self._at = max(self._at, now)
        self._level = min(self._burst, self._level + passed * self._rate) - count
        return max(0.0, -self._level / self._rate)


async def unlimited(_count: int) -> None:
    """No limit: never waits."""


def make_pace(rate_max_mb_s: float | None) -> Pace:
    """A pace that all downloads share; ``rate_max_mb_s`` null is no limit."""
    if rate_max_mb_s is None:
        return unlimited
    rate = rate_max_mb_s * 1e6
    bucket = TokenBucket(rate, rate * BURST_S, time.monotonic())

    async def pace(count: int) -> None:
        wait_s = bucket.take(count, time.monotonic())
        if wait_s > 0:
            await anyio.sleep(wait_s)

    return pace
