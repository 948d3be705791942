"""From a presented key to its principal: two dictionary look-ups on the hot path.

Keys are known by their SHA-256 alone, so that no file gives one away, and looked up
by it: timing tells nothing that would help to guess a key. A digest costs about a
microsecond, so the headers that were accepted are remembered as they came, in memory
only. The gate asks ``find`` for every request. Keys come and go while the server runs
(``put``, ``drop``); ``seal`` is another object after each change, for whoever remembers
what this keyring said. Who shows no key may show a cookie (``foundation.http.sessions``).
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Final

from rbee.contracts.keys import KEY_PREFIX
from rbee.contracts.principals import COLONY, LOCAL, KeySetting, Principal
from rbee.errors import BadSettings, InvalidApiKey, RbeeError
from rbee.foundation.http.sessions import Sessions

_SEEN_MAX: Final = 1024  # accepted headers only: keys times the ways to spell "Bearer"

_BEARER: Final = b"bearer"
_CREATED: Final = KEY_PREFIX.encode()


class Keyring:
    """The keys of a server. ``locked`` says whether a request without one is refused.

    ``missing`` is an error to answer unknown keys with while not all keys are known yet.
    """

    __slots__ = (
        "_expiry",
        "_gone",
        "_now",
        "_principals",
        "_seen",
        "locked",
        "missing",
        "seal",
        "sessions",
    )

    def __init__(
        self,
        principals: Mapping[bytes, Principal],
        *,
        locked: bool,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``principals`` by the SHA-256 digest of their keys; ``now`` in Unix seconds."""
        self._principals = dict(principals)
        self._expiry: dict[bytes, float] = {}
        self._seen: dict[tuple[bytes | None, bytes | None], Principal] = {}
        self._gone: dict[str, asyncio.Event] = {}
        self._now = now
        self.locked = locked
        self.missing: RbeeError | None = None
        self.seal = object()
        self.sessions = Sessions(now)

    @property
    def remembered(self) -> int:
        """How many accepted headers are held; bounded."""
        return len(self._seen)

    def find(self, headers: Mapping[bytes, bytes], method: str = "POST") -> Principal:
        """Whose key a request shows: ``Authorization: Bearer KEY``, or ``X-Api-Key: KEY``.

        A server without a lock takes any or no key for ``LOCAL``, as clients that
        cannot do without one send a made-up one; a known key still counts. Without
        a key the cookie of a session counts.

        Raises:
            InvalidApiKey: none was shown, or one that is not known here.
            Forbidden: a cookie, and ``method`` is unsafe, and no CSRF token came with it.
            StorageError, CapacityError: not all keys are known at the moment.
        """
        shown = (headers.get(b"authorization"), headers.get(b"x-api-key"))
        found = self._seen.get(shown)
        return found if found is not None else self._look_up(shown, headers, method)

    def whose(self, key: bytes) -> Principal:
        """Whose key this is; what a sign-in asks.

        Raises:
            InvalidApiKey: nobody's, or it has expired.
            StorageError, CapacityError: not all keys are known at the moment.
        """
        digest = sha256(key).digest()
        found = self._principals.get(digest)
        expires_at = self._expiry.get(digest)
        if found is None or (expires_at is not None and expires_at <= self._now()):
            if key.startswith(_CREATED) and self.missing is not None:
                raise self.missing.with_traceback(None)  # raised often: it must not grow
            raise InvalidApiKey("The key is not valid here.")
        return found

    # ── keys come and go ─────────────────────────────────────────────────────

    def put(self, digest: bytes, principal: Principal, *, expires_at: float | None = None) -> None:
        """Know a key from now on, until ``expires_at`` (Unix seconds)."""
        self._principals[digest] = principal
        if expires_at is not None:
            self._expiry[digest] = expires_at
        self._changed()

    def drop(self, digest: bytes) -> None:
        """Refuse a key from now on, and end the sessions that it began."""
        principal = self._principals.pop(digest, None)
        self._expiry.pop(digest, None)
        self._changed()
        if principal is not None:
            self.sessions.drop_of(principal.id)
            gone = self._gone.pop(principal.id, None)
            if gone is not None:
                gone.set()

    def drop_expired(self) -> float | None:
        """Refuse the keys whose time has come; returns when the next one's comes."""
        for digest in [digest for digest, at in self._expiry.items() if at <= self._now()]:
            self.drop(digest)
        return min(self._expiry.values(), default=None)

    def gone(self, principal: Principal) -> asyncio.Event:
        """Set when the principal's key is refused: for answers that would go on for long."""
        return self._gone.setdefault(principal.id, asyncio.Event())

    # ── inside ───────────────────────────────────────────────────────────────

    def _changed(self) -> None:
        self._seen.clear()
        self.seal = object()

    def _look_up(
        self,
        shown: tuple[bytes | None, bytes | None],
        headers: Mapping[bytes, bytes],
        method: str,
    ) -> Principal:
        key = _key_in(*shown)
        if not key:
            signed_in = self.sessions.find(headers, method)
            if signed_in is not None:
                return signed_in.principal
            if self.locked:
                raise InvalidApiKey("This server wants a key.")
            return LOCAL
        try:
            found = self.whose(key)
        except InvalidApiKey:
            # Made-up keys are taken for none, but one of ours was revoked: it opens nothing.
            if self.locked or key.startswith(_CREATED):
                raise
            return LOCAL
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
        principals[digest] = principal_of(entry)
    if colony_key:
        digest = sha256(colony_key.encode()).digest()
        if digest in principals:
            raise BadSettings(f"{principals[digest].name!r} in [[queen.keys]] is the colony's key.")
        principals[digest] = COLONY
    return Keyring(principals, locked=bool(colony_key))


def principal_of(entry: KeySetting) -> Principal:
    """Who holds a key of config.toml."""
    return Principal(
        id=f"key:{entry.name}",  # never the id of a built-in principal
        name=entry.name,
        priority=entry.priority,
        requests_per_min=entry.requests_per_min,
        tokens_per_min=entry.tokens_per_min,
        tokens_per_day=entry.tokens_per_day,
        priority_max=entry.priority,
        operator="operator" in entry.scopes,
        scopes=frozenset(entry.scopes),
        models=tuple(entry.models),
    )


def _key_in(authorization: bytes | None, api_key: bytes | None) -> bytes:
    scheme, _, given = (authorization or b"").partition(b" ")
    if scheme.lower() != _BEARER:
        given = api_key or b""
    return given.strip()
