"""Who asks: the holder of a key, as the gate found it and the queue treats it.

The gate (``foundation.http.gate``) makes of a presented key a ``Principal`` and
puts it beside the request; admission shares the workers out between principals,
and the rate limits count by them. A principal never holds its key: a key is told
by its SHA-256 (``foundation.http.keys``).
"""

import re
from functools import lru_cache
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from rbee.errors import InvalidRequest

PRIORITY_MAX: Final = 100  # 100 points are 500 s of waiting: before everything that may wait 300 s
PRIORITY_WORDS: Final = {"low": -10, "normal": 0, "high": 10}
"""What people write instead of a number."""

Scope: TypeAlias = Literal["inference", "jobs", "read", "operator", "hive", "open"]
"""What a principal may do, and what a route asks for.

``inference``: use models through the OpenAI-like doors. ``jobs``: use them through
``/v1/jobs``, and see and cancel its own jobs there. ``read``: look at the colony (status,
figures, plans), change nothing. ``operator``: everything. ``hive``: speak as one hive; only
a certificate gives it. ``open``: what a route says that wants no key at all.
"""

KeyScope: TypeAlias = Literal["inference", "jobs", "read", "operator"]
"""The scopes that a key may have."""

INFERENCE_ONLY: Final[frozenset[Scope]] = frozenset({"inference"})

HIVE_ID_PREFIX: Final = "hive:"

_MODEL_NAME_LENGTH_MAX: Final = 512  # no model has a longer one; clients can send megabytes
_PATTERNS_KEPT_MAX: Final = 1024  # compiled patterns of models: a colony has a few dozen


class Principal(msgspec.Struct, frozen=True):
    """Who asks. Limits are per minute, or per day in UTC; null means none.

    ``priority`` is that of its requests which ask for none, ``priority_max`` the
    highest that they may ask for. An ``operator`` may do everything, others what
    their ``scopes`` say. ``models`` are patterns (``llama-*``) of the models that it
    may use; empty means all.
    """

    id: str
    name: str
    priority: int = 0
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    priority_max: int = 0
    operator: bool = False
    scopes: frozenset[Scope] = INFERENCE_ONLY
    models: tuple[str, ...] = ()
    tokens_per_day: int | None = None

    @property
    def limited(self) -> bool:
        """Whether any rate limit or quota is set."""
        return self.requests_per_min is not None or self.counts_tokens

    @property
    def counts_tokens(self) -> bool:
        """Whether the tokens of its answers matter to a limit."""
        return self.tokens_per_min is not None or self.tokens_per_day is not None

    @property
    def hive_id(self) -> str | None:
        """The one hive that it may speak for, if its certificate made it a hive."""
        return self.id[len(HIVE_ID_PREFIX) :] if self.id.startswith(HIVE_ID_PREFIX) else None

    def has(self, scope: Scope) -> bool:
        """Whether it may do what asks for ``scope``."""
        return self.operator or scope in self.scopes

    def may_use(self, *names: str) -> bool:
        """Whether one of a model's names is on its list; without a list, any is."""
        return not self.models or any(
            _compiled(pattern).fullmatch(name.casefold())
            for name in names
            if len(name) <= _MODEL_NAME_LENGTH_MAX
            for pattern in self.models
        )


LOCAL: Final = Principal("local", "local", priority_max=PRIORITY_MAX, operator=True)
"""Whoever comes without a key where none is wanted: this machine, over loopback."""

COLONY: Final = Principal("colony", "colony", priority_max=PRIORITY_MAX, operator=True)
"""The holder of the colony's one key."""

ANYBODY: Final = Principal("anybody", "anybody", scopes=frozenset({"open"}))
"""Whoever comes to a route that wants no key: a load balancer's probe, a sign-in."""

QUEEN: Final = Principal("queen", "queen", priority_max=PRIORITY_MAX, operator=True)
"""The colony's queen, known to a hive by her certificate."""


def hive_principal(hive_id: str) -> Principal:
    """A hive that is known by its certificate: it may speak for itself alone."""
    return Principal(f"{HIVE_ID_PREFIX}{hive_id}", hive_id, scopes=frozenset({"hive"}))


class KeySetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[queen.keys]]`` in config.toml: a key for one client of the colony.

    ``sha256`` is the hex digest of the key's UTF-8 bytes (``printf %s "$KEY" |
    sha256sum``): the key itself stands nowhere. Limits are per minute; left out
    means none. ``priority`` (-100 to 100) is what its requests have, and the
    highest that they may ask for. ``models`` are patterns of the models that it may
    use; left out means all.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]
    requests_per_min: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tokens_per_min: Annotated[int, msgspec.Meta(ge=1)] | None = None
    priority: Annotated[int, msgspec.Meta(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0
    scopes: list[KeyScope] = msgspec.field(default_factory=lambda: ["inference"])
    models: list[str] = msgspec.field(default_factory=list[str])
    tokens_per_day: Annotated[int, msgspec.Meta(ge=1)] | None = None


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


@lru_cache(maxsize=_PATTERNS_KEPT_MAX)
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of model names: ``*`` is any text, ``?`` one character, whatever the case.

    What follows a star is taken where it is found first, and never again: matching
    is linear in the name, which clients choose.
    """
    first, *rest = pattern.strip().casefold().split("*")
    text = _literal(first)
    if rest:
        *middle, last = rest
        text += "".join(f"(?>.*?{_literal(part)})" for part in middle) + f".*{_literal(last)}"
    return re.compile(text, re.DOTALL)


def _literal(part: str) -> str:
    return "".join("." if char == "?" else re.escape(char) for char in part)
