"""Tickets: leave for one hive to read one model file of this hive, for a while.

The serving hive makes them when the queen asks (``api/model_files``) and reads them
again when another hive shows one; nobody else can make or check one, so no secret is
shared between machines. A ticket names reader, file and end, and an HMAC over the
three. The secret lives as long as the hive's process: after a restart the reader asks
the queen for a new one, as it does whenever a copy stops. Pure but for the secret.
"""

import hmac
import secrets
from hashlib import sha256
from typing import Final
from urllib.parse import quote, unquote

from rbee.errors import Forbidden

LIFETIME_S: Final = 600.0  # checked when a read begins: a long one may outlive its ticket
_PREFIX: Final = "rbt1"
_SECRET_BYTES: Final = 32  # as wide as the HMAC: nobody guesses it
_TICKET_LENGTH_MAX: Final = 1200  # a hive's id of 256 characters, each of three in quotes


class Tickets:
    """Makes and reads the tickets of one hive."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(_SECRET_BYTES)

    def issue(self, digest: str, reader: str, now: float) -> tuple[str, float]:
        """A ticket for ``reader`` to read the file ``digest``, and its end; Unix seconds."""
        ends = int(now + LIFETIME_S)
        head = f"{_PREFIX}.{quote(reader, safe='')}.{ends}"
        return f"{head}.{self._seal(digest, reader, ends)}", float(ends)

    def reader_of(self, ticket: str, digest: str, now: float) -> str:
        """Who may read the file ``digest`` with this ticket now.

        Raises:
            Forbidden: it is none of ours, of another file, or over.
        """
        if len(ticket) > _TICKET_LENGTH_MAX or not ticket.isascii():
            raise _refused()
        try:
            head, ends_text, seal = ticket.rsplit(".", 2)
            prefix, quoted = head.split(".", 1)
            ends = int(ends_text)
        except ValueError:
            raise _refused() from None
        reader = unquote(quoted)
        good = hmac.compare_digest(seal, self._seal(digest, reader, ends))
        if prefix != _PREFIX or not good:
            raise _refused()
        if now >= ends:
            raise Forbidden("This ticket is over.", remedy="Ask the queen for the model again.")
        return reader

    def _seal(self, digest: str, reader: str, ends: int) -> str:
        said = "\n".join((_PREFIX, digest, reader, str(ends)))
        return hmac.new(self._secret, said.encode(), sha256).hexdigest()


def _refused() -> Forbidden:
    return Forbidden(
        "This ticket does not open this file.", remedy="Ask the queen for the model again."
    )
