"""Joining the colony: what a new hive and the queen say to each other, and operators to her.

A hive shows either a token (``rbee hive token`` on the operator's side) or nothing, and
then waits in a queue until an operator approves it. Either way it gets a certificate for
the key of its signing request. Nothing in an answer is secret but a new token.
"""

from typing import Annotated, Final, Literal

import msgspec

HIVE_IDS_MAX: Final = 64  # names that one token may be bound to; it is of use once anyway
TOKEN_LIFE_DEFAULT_S: Final = 3600.0  # an hour: long enough to walk over to the machine
TOKEN_LIFE_MAX_S: Final = 7 * 86_400.0  # a machine that comes by post
TOKEN_LIFE_MIN_S: Final = 10.0  # a script needs no longer; less is a typing error

_Short = Annotated[str, msgspec.Meta(max_length=256)]


class ColonyCa(msgspec.Struct, kw_only=True):
    """``GET /v1/hive/ca``: the colony's CA in PEM form; its fingerprint is checked, not believed."""

    certificate: str


class JoinRequest(msgspec.Struct, kw_only=True):
    """``POST /v1/hive/join``: a machine that wants to be a hive.

    ``request`` is a signing request in PEM form. ``hostname``, ``version`` and ``devices``
    are shown to the operator who approves, and mean nothing else.
    """

    hive_id: str
    request: str
    token: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    hostname: _Short = ""
    version: _Short = ""


class JoinAnswer(msgspec.Struct, kw_only=True):
    """What a hive gets: a certificate (``joined``), or a code to compare while it waits.

    While ``pending`` it asks again, with the same key, after ``retry_s``.
    """

    status: Literal["joined", "pending"]
    hive_id: str
    message: str = ""
    certificate: str | None = None
    ca: str | None = None
    code: str | None = None
    retry_s: float | None = None


class RenewRequest(msgspec.Struct, kw_only=True):
    """``POST /v1/hive/renew``, over TLS with the certificate that is to be renewed.

    ``request`` is for the same key.
    """

    request: str


class JoinTokenWish(msgspec.Struct, kw_only=True):
    """``POST /v1/join-tokens``: one hive may join with it, named so if ``hive_ids`` says."""

    hive_ids: Annotated[list[str], msgspec.Meta(max_length=HIVE_IDS_MAX)] = msgspec.field(
        default_factory=list[str]
    )
    expires_s: Annotated[float, msgspec.Meta(ge=TOKEN_LIFE_MIN_S, le=TOKEN_LIFE_MAX_S)] = (
        TOKEN_LIFE_DEFAULT_S
    )


class NewJoinToken(msgspec.Struct, kw_only=True):
    """A new token, shown this once. ``urls`` are where the queen may be reached."""

    token: str
    id: str
    hive_ids: list[str]
    expires_at: float
    urls: list[str] = msgspec.field(default_factory=list[str])


class JoinTokenRow(msgspec.Struct, kw_only=True):
    """An open token, without what makes it one."""

    id: str
    hive_ids: list[str]
    created_at: float
    expires_at: float
    made_by: str


class JoinTokens(msgspec.Struct, kw_only=True):
    """``GET /v1/join-tokens``."""

    tokens: list[JoinTokenRow]


class JoinRequestRow(msgspec.Struct, kw_only=True):
    """A hive that waits for an operator. ``code`` has to be the one that the hive shows.

    ``replaces`` says that a hive of this id is a member already and would be shut out.
    """

    hive_id: str
    code: str
    address: str
    hostname: str
    version: str
    asked_at: float
    seen_at: float
    replaces: bool = False


class JoinRequests(msgspec.Struct, kw_only=True):
    """``GET /v1/join-requests``. ``ca_fingerprint`` is the colony's; ``urls`` as of a new token."""

    requests: list[JoinRequestRow]
    ca_fingerprint: str
    urls: list[str] = msgspec.field(default_factory=list[str])


class JoinDecision(msgspec.Struct, kw_only=True):
    """``POST /v1/join-requests/{id}/approve`` and ``reject``; the body may be left out.

    With ``code`` the decision counts only for the hive that shows it.
    """

    code: str | None = None


class Member(msgspec.Struct, kw_only=True):
    """A hive as it belongs to the colony. ``state`` is the registry's, null: never seen.

    ``membership``: ``certificate`` (joined), ``revoked``, or ``open`` for one that came
    without a certificate (the queen's own machine, or the colony's key).
    """

    hive_id: str
    membership: Literal["certificate", "revoked", "open"]
    state: str | None = None
    url: str | None = None
    hostname: str | None = None
    joined_at: float | None = None
    joined_by: str | None = None
    expires_at: float | None = None
    revoked_at: float | None = None


class Members(msgspec.Struct, kw_only=True):
    """``GET /v1/hives``."""

    hives: list[Member]


class MemberAck(msgspec.Struct, kw_only=True):
    """What was decided about a hive or a token."""

    status: Literal["approved", "rejected", "revoked", "forgotten"]
    id: str
    message: str = ""
