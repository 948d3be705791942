"""How hives of one colony hand each other models: who has one, and the leave to read it.

A hive that wants a model asks the queen (``ModelSeek``). She answers with the hives
that have it and a ticket for each (``ModelSources``), or says who is fetching it from
outside already, or that the asker shall. Bytes then go from hive to hive, addressed by
their SHA-256. A ticket (``ModelTicket``) is made by the hive that serves: it lets one
hive read one file for a while, and nothing else.
"""

from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from rbee.contracts.models import Model
from rbee.errors import InvalidRequest

TICKET_HEADER: Final = "x-rbee-ticket"
"""Where a reader shows its ticket; ``Authorization`` stays free for the key of the server."""

FILES_PATH: Final = "/v1/models/files/"
"""On a hive: ``FILES_PATH + sha256`` is a model's file, with ranges."""

NAME_LENGTH_MAX: Final = 1024  # as the registry's: `org/repo:file.gguf` at its longest
FAILED_MAX: Final = 64  # hives that a seeker has tried in vain; more are not tried in one go
_SHA256_LENGTH: Final = 64
_HEX: Final = frozenset("0123456789abcdef")

Verdict = Literal["copy", "wait", "fetch"]
"""``copy``: these hives have it. ``wait``: another hive fetches it. ``fetch``: nobody does."""


class ModelSeek(msgspec.Struct, kw_only=True):
    """``POST {queen}/v1/hive/models/seek``: a hive wants a model that it has not.

    ``model`` is a name, or the exact id. ``sha256`` pins the content. ``from_hive`` is the
    hive to take it from if it can be had there. ``failed`` are hives that were tried
    in vain a moment ago. With ``claim`` a ``fetch`` makes the asker the one that fetches
    it from outside for the whole colony; it repeats the claim every few seconds with
    ``have_bytes`` of ``size_bytes``. ``ended`` gives the claim back: ``arrived`` when the
    model is here, ``given_up`` when another may try.
    """

    hive_id: str
    model: str
    sha256: str | None = None
    from_hive: str | None = None
    failed: list[str] = msgspec.field(default_factory=list[str])
    claim: bool = False
    have_bytes: int = 0
    size_bytes: int | None = None
    ended: Literal["arrived", "given_up"] | None = None


class ModelHolder(msgspec.Struct, kw_only=True):
    """A hive that has the model. ``url`` is null where nobody can dial it.

    ``same_machine`` says that reader and holder stand on one machine.
    """

    hive_id: str
    ticket: str
    url: str | None = None
    same_machine: bool = False


class ModelSources(msgspec.Struct, kw_only=True):
    """The answer to ``ModelSeek``.

    With ``copy``: ``model`` is the row of the catalogue, ``file`` the file's name and
    ``holders`` who has it, likely nearest first. With ``wait``: ``fetching`` is the hive
    that brings it, ``have_bytes`` of ``size_bytes`` it has so far.
    """

    verdict: Verdict
    model: Model | None = None
    file: str | None = None
    holders: list[ModelHolder] = msgspec.field(default_factory=list[ModelHolder])
    fetching: str | None = None
    have_bytes: int = 0
    size_bytes: int | None = None


class TicketAsk(msgspec.Struct, kw_only=True):
    """``POST {hive}/v1/models/tickets``, by the queen: may ``reader`` have ``model`` (its id)?"""

    model: str
    reader: str


class ModelTicket(msgspec.Struct, kw_only=True):
    """Leave to read one file. ``expires_at`` is Unix seconds of the serving hive's clock."""

    model: Model
    file: str
    sha256: str
    size_bytes: int
    ticket: str
    expires_at: float


def reader_in(ticket: str) -> str:
    """Whom a ticket names as its reader (``rbt1.READER.END.SEAL``); not whether it is true."""
    head, _, _ = ticket.rpartition(".")[0].rpartition(".")
    return unquote(head.partition(".")[2])


def is_digest(text: str) -> bool:
    """Whether this is a SHA-256 in lower-case hex: checked before it is looked up or made a path."""
    return len(text) == _SHA256_LENGTH and _HEX.issuperset(text)


def check_seek(asked: ModelSeek) -> None:
    """Refuse what is out of bounds.

    Raises:
        InvalidRequest: names the field.
    """
    if not 0 < len(asked.model) <= NAME_LENGTH_MAX:
        raise _bad("model", "it is empty or too long")
    if asked.sha256 is not None and not is_digest(asked.sha256):
        raise _bad("sha256", "it is no SHA-256 in lower-case hex")
    if len(asked.failed) > FAILED_MAX or any(len(name) > NAME_LENGTH_MAX for name in asked.failed):
        raise _bad("failed", f"it names more than {FAILED_MAX} hives, or none that can be")
    if asked.have_bytes < 0 or (asked.size_bytes is not None and asked.size_bytes < 0):
        raise _bad("have_bytes", "a size is below 0")


def _bad(field: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"This cannot be looked for: {what}, at `$.{field}`.", param=f"$.{field}")
