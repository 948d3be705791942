"""Who asks: the holder of a key, as the gate found it and the queue treats it.

The gate (``foundation.http.gate``) makes of a presented key a ``Principal`` and
puts it beside the request; admission shares the workers out between principals,
and the rate limits count by them. A principal never holds its key: a key is told
by its SHA-256 (``foundation.http.keys``).
"""

from typing import Annotated, Final

import msgspec

from rbee.errors import InvalidRequest

PRIORITY_MAX: Final = 100  # 100 points are 500 s of waiting: before everything that may wait 300 s
PRIORITY_WORDS: Final = {"low": -10, "normal": 0, "high": 10}
"""What people write instead of a number."""


class Principal(msgspec.Struct, frozen=True):
    """Who asks. Limits are per minute; null means none.

    ``priority`` is that of its requests which ask for none, ``priority_max`` the
    highest that they may ask for. An ``operator`` may do everything; others may
    use models and nothing else.
    """

    id: str
    name: str
    priority: int = 0
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    priority_max: int = 0
    operator: bool = False

    @property
    def limited(self) -> bool:
        """Whether any rate limit is set."""
        return self.requests_per_min is not None or self.tokens_per_min is not None


LOCAL: Final = Principal("local", "local", priority_max=PRIORITY_MAX, operator=True)
"""Whoever comes without a key where none is wanted: this machine, over loopback."""

COLONY: Final = Principal("colony", "colony", priority_max=PRIORITY_MAX, operator=True)
"""The holder of the colony's one key."""

ANYBODY: Final = Principal("anybody", "anybody")
"""A load balancer's probe on a path that wants no key."""


class KeySetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[queen.keys]]`` in config.toml: a key for one client of the colony.

    ``sha256`` is the hex digest of the key's UTF-8 bytes (``printf %s "$KEY" |
    sha256sum``): the key itself stands nowhere. Limits are per minute; left out
    means none. ``priority`` (-100 to 100) is what its requests have, and the
    highest that they may ask for.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]
    requests_per_min: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tokens_per_min: Annotated[int, msgspec.Meta(ge=1)] | None = None
    priority: Annotated[int, msgspec.Meta(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0


def priority_for(
    principal: Principal, asked: int | str | None, *, param: str = "X-Priority"
) -> int:
    """The priority of a request: what it asks for, never above its principal's highest.

    Raises:
        InvalidRequest: neither a number from -100 to 100 nor low, normal or high.
    """
    if asked is None:
        return principal.priority
    value = PRIORITY_WORDS.get(asked.strip().lower()) if isinstance(asked, str) else asked
    if value is None:
        try:
            value = int(asked)
        except ValueError:
            value = PRIORITY_MAX + 1
    if not -PRIORITY_MAX <= value <= PRIORITY_MAX:
        raise InvalidRequest(
            f"The priority {str(asked)[:64]!r} is neither low, normal or high, nor a number "
            f"from -{PRIORITY_MAX} to {PRIORITY_MAX}.",
            param=param,
        )
    return min(value, principal.priority_max)
