"""Join tokens: ``rbee1.<CA's fingerprint>.<id>.<secret>``, one line that a person pastes.

The fingerprint lets the hive know the right queen before it says anything secret; the id
finds the token's record; the secret proves that its holder was given it. The queen keeps
the secret's SHA-256 alone: a copy of her files lets nobody join.
"""

import re
import secrets
from hashlib import sha256
from hmac import compare_digest
from typing import Final

import msgspec

from rbee.errors import InvalidRequest

TOKEN_CHARS_MAX: Final = 160  # 5 + 1 + 64 + 1 + 12 + 1 + 43, and room to say what is wrong

_PREFIX: Final = "rbee1"
_ID_BYTES: Final = 6  # 2^48 ids for a few hundred open tokens
_SECRET_BYTES: Final = 32  # beyond any guessing; 43 characters
# [0-9a-f] and not \d, `fullmatch` and not `$`: digits of other scripts and a line end are no part.
_SHAPE: Final = re.compile(r"rbee1\.([0-9a-f]{64})\.([0-9a-f]{12})\.([A-Za-z0-9_-]{43})")


class JoinToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token taken apart. ``secret`` is shown to nobody but the queen who made it."""

    ca_fingerprint: str
    id: str
    secret: str

    def __repr__(self) -> str:
        """Without the secret: tokens end up in tracebacks."""
        return f"JoinToken(id={self.id!r})"

    def text(self) -> str:
        """The line to paste."""
        return f"{_PREFIX}.{self.ca_fingerprint}.{self.id}.{self.secret}"

    def digest(self) -> str:
        """What the queen keeps of it, in hex."""
        return sha256(self.secret.encode()).hexdigest()


def make_token(ca_fingerprint: str) -> JoinToken:
    """A new token for the colony whose CA has this fingerprint (hex)."""
    return JoinToken(
        ca_fingerprint=ca_fingerprint,
        id=secrets.token_hex(_ID_BYTES),
        secret=secrets.token_urlsafe(_SECRET_BYTES),
    )


def parse_token(text: str) -> JoinToken:
    """Take a pasted line apart; blanks around it are forgiven, nothing else is.

    Raises:
        InvalidRequest: no token. The message repeats nothing of it.
    """
    found = _SHAPE.fullmatch(text.strip()) if len(text) <= TOKEN_CHARS_MAX else None
    if found is None:
        raise InvalidRequest(
            "This is no join token: it has the form rbee1.….….… and stands in one line.",
            remedy="Copy it whole; `rbee hive token` on the queen's machine makes a new one.",
            param="token",
        )
    return JoinToken(ca_fingerprint=found[1], id=found[2], secret=found[3])


def proves(token: JoinToken, digest: str) -> bool:
    """Whether the token's secret is the one that was kept, in time that tells nothing."""
    return compare_digest(token.digest(), digest)
