"""From a presented key to its principal: two dictionary look-ups on the hot path.

Keys are configured by their SHA-256 alone, so that no settings file gives one away,
and looked up by it: timing tells nothing that would help to guess a key. A digest
costs about a microsecond, so the headers that were accepted are remembered as they
came, in memory only. The gate asks ``find`` for every request.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

from rbee.contracts.principals import COLONY, LOCAL, KeySetting, Principal
from rbee.errors import BadSettings, InvalidApiKey

_SEEN_MAX: Final = 1024  # accepted headers only: keys times the ways to spell "Bearer"

_BEARER: Final = b"bearer"


class Keyring:
    """The keys of a server. ``locked`` says whether a request without one is refused."""

    __slots__ = ("_principals", "_seen", "locked")

    def __init__(self, principals: Mapping[bytes, Principal], *, locked: bool) -> None:
        """``principals`` by the SHA-256 digest of their keys."""
        self._principals = dict(principals)
        self._seen: dict[tuple[bytes | None, bytes | None], Principal] = {}
        self.locked = locked

    @property
    def remembered(self) -> int:
        """How many accepted headers are held; bounded."""
        return len(self._seen)

    def find(self, headers: Mapping[bytes, bytes]) -> Principal:
        """Whose key a request shows: ``Authorization: Bearer KEY``, or ``X-Api-Key: KEY``.

        A server without a lock takes any or no key for ``LOCAL``, as clients that
        cannot do without one send a made-up one; a known key still counts.

        Raises:
            InvalidApiKey: none was shown, or one that is not known here.
        """
        shown = (headers.get(b"authorization"), headers.get(b"x-api-key"))
        found = self._seen.get(shown)
        return found if found is not None else self._look_up(shown)

    def _look_up(self, shown: tuple[bytes | None, bytes | None]) -> Principal:
        key = _key_in(*shown)
        found = self._principals.get(sha256(key).digest()) if key else None
        if found is None:
            if not self.locked:
                return LOCAL
            raise InvalidApiKey("The key is not valid here." if key else "This server wants a key.")
        if len(self._seen) >= _SEEN_MAX:
            self._seen.clear()
        self._seen[shown] = found
        return found


def make_keyring(colony_key: str | None, keys: Iterable[KeySetting] = ()) -> Keyring:
    """The colony's key and further ones.

    Raises:
        BadSettings: two entries share a name or a key.
    """
    principals: dict[bytes, Principal] = {}
    names: set[str] = set()
    for entry in keys:
        digest = bytes.fromhex(entry.sha256)
        if entry.name in names or digest in principals:
            raise BadSettings(f"[[queen.keys]] has the name or the key of {entry.name!r} twice.")
        names.add(entry.name)
        principals[digest] = _principal(entry)
    if colony_key:
        digest = sha256(colony_key.encode()).digest()
        if digest in principals:
            raise BadSettings(f"{principals[digest].name!r} in [[queen.keys]] is the colony's key.")
        principals[digest] = COLONY
    return Keyring(principals, locked=bool(colony_key))


def _principal(entry: KeySetting) -> Principal:
    return Principal(
        id=f"key:{entry.name}",  # never the id of a built-in principal
        name=entry.name,
        priority=entry.priority,
        requests_per_min=entry.requests_per_min,
        tokens_per_min=entry.tokens_per_min,
        priority_max=entry.priority,
    )


def _key_in(authorization: bytes | None, api_key: bytes | None) -> bytes:
    scheme, _, given = (authorization or b"").partition(b" ")
    if scheme.lower() != _BEARER:
        given = api_key or b""
    return given.strip()
