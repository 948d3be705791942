"""API keys and sign-in: what ``/v1/keys`` and ``/v1/session`` take and give.

A key's own text is in ``KeyMade`` alone, the answer to its creation: everywhere else a key
is its id, its name and a few first characters. Times are Unix seconds.
"""

from typing import Annotated, Final, TypeAlias

import msgspec

from rbee.contracts.principals import PRIORITY_MAX, KeyScope

KEY_PREFIX: Final = "rbee_"
"""How a created key begins: scanners of leaked secrets and people know it by that."""

KEY_ID_PREFIX: Final = "key-"
"""How the id of a created key begins; the principal that it stands for has the same."""

NAME_LENGTH_MAX: Final = 64  # it stands in tables, logs and errors
MODELS_MAX: Final = 64  # patterns, not a catalogue; each costs a match for each request
MODEL_LENGTH_MAX: Final = 256  # the longest repository and file on a hub, about

KeyName: TypeAlias = Annotated[
    str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH_MAX, pattern=r"^[^\s/][^\n\r/]*$")
]
ModelPattern: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MODEL_LENGTH_MAX)]
Limit: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class KeyWish(msgspec.Struct, kw_only=True):
    """``POST /v1/keys``. Null limits mean none; no ``models`` means all.

    ``expires_in_s`` counts from now; null means never. A day is one of the calendar, UTC.
    """

    name: KeyName
    scopes: Annotated[list[KeyScope], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["inference"]
    )
    models: Annotated[list[ModelPattern], msgspec.Meta(max_length=MODELS_MAX)] = msgspec.field(
        default_factory=list[ModelPattern]
    )
    expires_in_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    requests_per_min: Limit | None = None
    tokens_per_min: Limit | None = None
    tokens_per_day: Limit | None = None
    priority: Annotated[int, msgspec.Meta(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0


class ApiKey(msgspec.Struct, kw_only=True):
    """A key as ``GET /v1/keys`` shows it. ``hint`` is how its text begins.

    ``configured``: it stands in config.toml, and can be taken out there alone.
    ``tokens_today`` is what it has used of ``tokens_per_day``; null without one.
    """

    id: str
    name: str
    hint: str
    scopes: list[KeyScope]
    models: list[str]
    created_at: float | None = None
    created_by: str | None = None
    expires_at: float | None = None
    expired: bool = False
    configured: bool = False
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    tokens_per_day: int | None = None
    tokens_today: int | None = None
    priority: int = 0


class KeyList(msgspec.Struct, kw_only=True):
    """``GET /v1/keys``."""

    keys: list[ApiKey]


class KeyMade(msgspec.Struct, kw_only=True):
    """The answer to ``POST /v1/keys``: the one time that ``key`` itself is told."""

    key: str
    about: ApiKey


class KeyRevoked(msgspec.Struct, kw_only=True):
    """The answer to ``DELETE /v1/keys/{id}``: it is refused from now on."""

    id: str
    name: str


class SignIn(msgspec.Struct, kw_only=True):
    """``POST /v1/session``: a key, for a cookie."""

    key: str


class Session(msgspec.Struct, kw_only=True):
    """Who is signed in. ``csrf_token`` goes into ``X-CSRF-Token`` of all that changes something.

    Null where no cookie is in use: a key, or none that is wanted.
    """

    name: str
    scopes: list[str]
    models: list[str]
    csrf_token: str | None = None
    expires_at: float | None = None


class SignedOut(msgspec.Struct, kw_only=True):
    """The answer to ``DELETE /v1/session``."""

    signed_out: bool
