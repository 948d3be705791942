"""The books of joining: open tokens and the colony's members. Pure; ``now`` is Unix time.

A hive is known by its key, and each time it joins it gets a new membership number, which
stands in its certificates. So one row says which certificates count: of this hive, with this
number, unless revoked. ``Ledger`` is the form on disk.
"""

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from rbee.contracts.ids import is_hive_id
from rbee.errors import Conflict, Forbidden, HiveNotFound, InvalidRequest, QueueFull
from rbee.foundation.identity.tokens import JoinToken, proves

TOKENS_MAX: Final = 1000  # open at once: a rack is rolled out with a token for each machine
MEMBERS_MAX: Final = 20_000  # as many as the registry takes
USED_KEPT_S: Final = 86_400.0  # a used token is remembered so long, to say by whom it was used

_GET_ONE: Final = "`rbee hive token` on the operator's machine makes a new one."


class TokenRow(msgspec.Struct, kw_only=True):
    """A token without its secret: ``digest`` is the secret's SHA-256 in hex."""

    id: str
    digest: str
    hive_ids: list[str]
    created_at: float
    expires_at: float
    made_by: str
    used_by: str | None = None
    used_key: str | None = None
    used_at: float | None = None


class MemberRow(msgspec.Struct, kw_only=True):
    """A hive that joined. ``key`` is its key's fingerprint, ``number`` its membership."""

    hive_id: str
    key: str
    number: int
    joined_at: float
    joined_by: str
    hostname: str = ""
    expires_at: float = 0.0
    revoked_at: float | None = None


class Ledger(msgspec.Struct, kw_only=True):
    """``<data>/queen/joining.json``."""

    tokens: list[TokenRow] = msgspec.field(default_factory=list[TokenRow])
    members: list[MemberRow] = msgspec.field(default_factory=list[MemberRow])


class Books:
    """Tokens and members in memory. Methods that change anything say so by their verb."""

    def __init__(self, ledger: Ledger) -> None:
        self.tokens = {row.id: row for row in ledger.tokens}
        self.members = {row.hive_id: row for row in ledger.members}

    def ledger(self) -> Ledger:
        """What is to be written."""
        return Ledger(tokens=list(self.tokens.values()), members=list(self.members.values()))

    def counts(self, hive_id: str, number: int) -> bool:
        """Whether a certificate of this hive with this membership number still counts."""
        row = self.members.get(hive_id)
        return row is not None and row.revoked_at is None and row.number == number

    def holder(self, hive_id: str, key: str) -> MemberRow | None:
        """The member of this name, if this is its key and it was not shut out."""
        row = self.members.get(hive_id)
        return row if row is not None and row.revoked_at is None and row.key == key else None

    def open_tokens(self, now: float) -> list[TokenRow]:
        """Those that somebody could join with now."""
        return [row for row in self.tokens.values() if row.used_by is None and row.expires_at > now]

    def add_token(
        self, token: JoinToken, hive_ids: Iterable[str], now: float, *, life_s: float, made_by: str
    ) -> TokenRow:
        """Note a new token.

        Raises:
            InvalidRequest: it is bound to a name that no hive can have.
            QueueFull: too many are open.
        """
        names = list(dict.fromkeys(hive_ids))
        for name in names:
            check_hive_id(name)
        self.forget_old(now)
        if len(self.open_tokens(now)) >= TOKENS_MAX:
            raise QueueFull(
                f"{TOKENS_MAX} tokens are open already.",
                remedy="Wait until they expire, or take some back: DELETE /v1/join-tokens/ID.",
            )
        row = TokenRow(
            id=token.id,
            digest=token.digest(),
            hive_ids=names,
            created_at=now,
            expires_at=now + life_s,
            made_by=made_by,
        )
        self.tokens[row.id] = row
        return row

    def drop_token(self, token_id: str) -> bool:
        """Take a token back; whether there was one of this id."""
        return self.tokens.pop(token_id, None) is not None

    def use_token(
        self,
        token: JoinToken,
        hive_id: str,
        key: str,
        now: float,
        *,
        in_use: Callable[[str], bool],
    ) -> bool:
        """Spend a token for a hive; false when this name and key had spent it before.

        ``in_use`` says whether another machine is a hive of this name without a certificate.

        Raises:
            Forbidden: unknown, expired, used, or for other names.
            Conflict: a hive of this name is there already.
        """
        row = self.tokens.get(token.id)
        if row is None or not proves(token, row.digest):
            raise Forbidden("This token is not known here, or no longer.", remedy=_GET_ONE)
        if row.used_by is not None:
            if (row.used_by, row.used_key) == (hive_id, key):
                return False
            raise Forbidden(
                f"This token was used already, by {row.used_by} at {_clock(row.used_at or now)}.",
                remedy=f"Was that you? Each token is for one hive. {_GET_ONE}",
            )
        if row.expires_at <= now:
            raise Forbidden(
                f"This token expired at {_clock(row.expires_at)}.",
                remedy=f"{_GET_ONE} Clocks that differ by much are a cause too.",
            )
        if row.hive_ids and hive_id not in row.hive_ids:
            raise Forbidden(
                f"This token is for {', '.join(row.hive_ids)}, not for {hive_id}.",
                remedy="Join under that name (`--hive-id`), or make a token for this one.",
            )
        if not row.hive_ids:
            self._refuse_taken(hive_id, key, in_use)
        row.used_by, row.used_key, row.used_at = hive_id, key, now
        return True

    def enter(
        self, hive_id: str, key: str, now: float, *, joined_by: str, hostname: str
    ) -> MemberRow:
        """Make a hive a member, with a new number: certificates of before count no more.

        Raises:
            QueueFull: the colony is full.
        """
        if hive_id not in self.members and len(self.members) >= MEMBERS_MAX:
            raise QueueFull(f"The colony has {MEMBERS_MAX} members, and takes no more.")
        row = MemberRow(
            hive_id=hive_id,
            key=key,
            number=secrets.randbits(64) | 1,
            joined_at=now,
            joined_by=joined_by,
            hostname=hostname,
        )
        self.members[hive_id] = row
        return row

    def revoke(self, hive_id: str, now: float) -> MemberRow:
        """Shut a hive out; doing so twice changes nothing.

        Raises:
            HiveNotFound: no hive of this id has a certificate.
        """
        row = self.members.get(hive_id)
        if row is None:
            raise HiveNotFound(
                f"No hive {hive_id[:64]!r} has joined with a certificate.",
                remedy="`rbee hive list` shows them.",
            )
        if row.revoked_at is None:
            row.revoked_at = now
        return row

    def forget(self, hive_id: str) -> bool:
        """Strike a hive from the books: its certificates count no more. Whether it stood there."""
        return self.members.pop(hive_id, None) is not None

    def forget_old(self, now: float) -> None:
        """Drop tokens that nobody can use and nobody will ask about."""
        for row in list(self.tokens.values()):
            if now > (row.used_at or row.expires_at) + USED_KEPT_S:
                del self.tokens[row.id]

    def _refuse_taken(self, hive_id: str, key: str, in_use: Callable[[str], bool]) -> None:
        row = self.members.get(hive_id)
        member = row is not None and row.revoked_at is None and row.key != key
        if member or in_use(hive_id):
            raise Conflict(
                f"A hive named {hive_id} belongs to the colony already.",
                remedy="Join under another name (`--hive-id NAME`). If it is the same machine, "
                f"set up anew: `rbee hive token --hive-id {hive_id}` lets it replace the old one.",
            )


def check_hive_id(hive_id: str) -> None:
    """Refuse a name that no joined hive can have.

    Raises:
        InvalidRequest: says what names look like.
    """
    if not is_hive_id(hive_id):
        raise InvalidRequest(
            f"{hive_id[:64]!r} is no name for a hive.",
            remedy="Use up to 64 letters, digits, dots, dashes and underscores; not `localhost`.",
            param="$.hive_id",
        )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
