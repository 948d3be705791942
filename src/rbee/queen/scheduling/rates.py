"""Rate limits of a key: requests and tokens a minute, as two buckets that fill steadily.

The door asks ``check`` before it admits a request and tells ``debit`` what the
answer took. A request is taken at once; tokens when they are known, at the end:
from the engine's usage, else by ``estimated_tokens``. A key passes while its token
bucket is not empty, so running answers may overdraw it, and the debt is paid back
before the next request: over time the limit holds exactly. A bucket holds one
minute's worth, so a key that was idle may use it at once.

Pure: ``now`` is in seconds of a monotonic clock.
"""

import math
from collections.abc import Callable
from typing import Final, TypeAlias

from rbee.contracts.principals import Principal
from rbee.errors import RateLimited
from rbee.queen.scheduling.quotas import Quotas

_PER_MIN: Final = 60.0  # seconds: limits are told by the minute
_BYTES_PER_TOKEN: Final = 4  # English text in common vocabularies; JSON around it counts too
_ROUNDING: Final = 1e-6  # of a request: who comes back exactly when told to must not be refused
_NAMES: Final = ("requests", "tokens")

HeaderList: TypeAlias = list[tuple[bytes, bytes]]


class _Bucket:
    """``level`` of at most ``limit``, filled evenly within a minute; below zero is a debt."""

    __slots__ = ("at", "level", "limit")

    def __init__(self, limit: int, now: float) -> None:
        self.limit = limit
        self.level = float(limit)
        self.at = now

    def fill(self, now: float) -> None:
        if now > self.at:
            self.level = min(self.limit, self.level + (now - self.at) * self.limit / _PER_MIN)
            self.at = now

    def seconds_until(self, level: float) -> float:
        return max(0.0, (level - self.level) * _PER_MIN / self.limit)


class Rates:
    """The buckets of all keys that have limits, and ``quotas`` beside them.

    ``wall_clock`` gives Unix seconds, for the day that quotas count by.
    """

    def __init__(self, wall_clock: Callable[[], float] = lambda: 0.0) -> None:
        self.quotas = Quotas()
        self._wall_clock = wall_clock
        self._buckets: dict[str, tuple[_Bucket | None, _Bucket | None]] = {}

    def check(self, principal: Principal, now: float) -> HeaderList:
        """Take one request off the principal's limits.

        Returns the headers for the answer, none without limits:
        ``x-ratelimit-limit-requests``, ``x-ratelimit-remaining-requests``,
        ``x-ratelimit-reset-requests``, ``x-ratelimit-limit-tokens``,
        ``x-ratelimit-remaining-tokens``, ``x-ratelimit-reset-tokens``.

        Raises:
            RateLimited, QuotaExceeded: 429, with when to come back.
        """
        if principal.tokens_per_day is not None:
            self.quotas.check(principal, self._wall_clock())
        if principal.requests_per_min is None and principal.tokens_per_min is None:
            return []
        requests, tokens = self._of(principal, now)
        short = _longest((requests, 1.0, "requests"), (tokens, 1.0, "tokens"))
        if short is not None:
            left_s, limit, unit = short
            error = RateLimited(
                f"The key {principal.name!r} has used its {limit} {unit} a minute.",
                retry_after_s=max(1, math.ceil(left_s)),
            )
            error.headers = tuple(_headers(requests, tokens))
            raise error
        if requests is not None:
            requests.level -= 1.0
        return _headers(requests, tokens)

    def forget(self, principal_id: str) -> None:
        """Its key is gone: so are its buckets."""
        self._buckets.pop(principal_id, None)
        self.quotas.forget(principal_id)

    def debit(self, principal: Principal, tokens: int, now: float) -> None:
        """Take the tokens of an answer (prompt and completion) off the principal's limits."""
        if principal.tokens_per_day is not None:
            self.quotas.debit(principal, tokens, self._wall_clock())
        if principal.tokens_per_min is None or tokens <= 0:
            return
        bucket = self._of(principal, now)[1]
        if bucket is not None:
            bucket.level -= tokens

    def _of(self, principal: Principal, now: float) -> tuple[_Bucket | None, _Bucket | None]:
        found = self._buckets.get(principal.id)
        if found is None:
            found = self._buckets[principal.id] = (
                _made(principal.requests_per_min, now),
                _made(principal.tokens_per_min, now),
            )
        for bucket in found:
            if bucket is not None:
                bucket.fill(now)
        return found


def estimated_tokens(asked_bytes: int, events: int, answered_bytes: int) -> int:
    """The tokens of an answer whose engine told no usage.

    ``events`` is how many a stream had, about one for a token; 0 for an answer in
    one piece, whose length counts instead.
    """
    said = events or answered_bytes // _BYTES_PER_TOKEN
    return asked_bytes // _BYTES_PER_TOKEN + said


def _made(limit: int | None, now: float) -> _Bucket | None:
    return None if limit is None else _Bucket(limit, now)


def _longest(
    *wanted: tuple[_Bucket | None, float, str],
) -> tuple[float, int, str] | None:
    """The limit that is waited for longest: seconds, its number, its unit."""
    short = [
        (bucket.seconds_until(level), bucket.limit, unit)
        for bucket, level, unit in wanted
        if bucket is not None and bucket.level < level - _ROUNDING
    ]
    return max(short, default=None)


def _headers(*buckets: _Bucket | None) -> HeaderList:
    headers: HeaderList = []
    for name, bucket in zip(_NAMES, buckets, strict=True):
        if bucket is not None:
            told = (
                ("limit", str(bucket.limit)),
                ("remaining", str(max(0, int(bucket.level)))),
                ("reset", _duration(bucket.seconds_until(bucket.limit))),
            )
            headers += [(f"x-ratelimit-{what}-{name}".encode(), v.encode()) for what, v in told]
    return headers


def _duration(seconds: float) -> str:
    """``250ms``, ``12s``, ``1m30s``: as OpenAI writes it. Rounded up."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
