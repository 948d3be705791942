"""Sign-in of browsers: a key is shown once, and a cookie stands for it from then on.

The cookie is random, HttpOnly and SameSite=Strict, known here by its SHA-256 alone and
in memory alone: a restart signs everybody out. Whatever changes something must bring the
session's CSRF token in a header as well, which a page of another site can neither read
nor send. ``Keyring`` asks here when a request shows no key; sign-ins are counted by
address, so that nobody can try keys at speed.
"""

import hmac
import ipaddress
import math
import secrets
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final

import msgspec

from rbee.contracts.principals import Principal
from rbee.errors import Forbidden, RateLimited
from rbee.foundation.addresses import peer_address

COOKIE: Final = "rbee_session"
"""The queen's. Cookies know no ports: another server on her host needs a name of its own."""

HIVE_COOKIE: Final = "rbee_hive_session"
"""A hive's, for whoever opens its own page."""
CSRF_HEADER: Final = "X-CSRF-Token"
SESSION_S: Final = 12 * 3600.0  # a working day; then the key is asked for again
SESSIONS_MAX: Final = 1000  # browsers of one colony; beyond it the oldest is signed out
SIGN_INS_PER_MIN: Final = 10  # a person mistypes a few times; a script tries thousands
ADDRESSES_MAX: Final = 4096  # counted at once; a forger's millions must not fill the memory

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, so that a cookie alone is enough for them."""

_SECRET_BYTES: Final = 32  # 256 bits: cannot be guessed
_WINDOW_S: Final = 60.0  # "a minute"
_IPV6_PREFIX_BITS: Final = 64  # one household's addresses
_CSRF: Final = CSRF_HEADER.lower().encode()


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """One browser's session; ``expires_at`` in Unix seconds."""

    principal: Principal
    csrf_token: str
    expires_at: float


class Sessions:
    """All sessions of a server. Owned by the event loop."""

    __slots__ = ("_held", "_now", "_tried", "cookie")

    def __init__(self, now: Callable[[], float]) -> None:
        """``now`` gives Unix seconds."""
        self.cookie = COOKIE
        self._now = now
        self._held: dict[bytes, SignedIn] = {}
        self._tried: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def begin(self, principal: Principal) -> tuple[str, SignedIn]:
        """Sign a principal in; returns the cookie's value and the session."""
        while len(self._held) >= SESSIONS_MAX:
            del self._held[next(iter(self._held))]
        value = secrets.token_urlsafe(_SECRET_BYTES)
        session = SignedIn(
            principal=principal,
            csrf_token=secrets.token_urlsafe(_SECRET_BYTES),
            expires_at=self._now() + SESSION_S,
        )
        self._held[_digest(value.encode())] = session
        return value, session

    def find(self, headers: Mapping[bytes, bytes], method: str) -> SignedIn | None:
        """The session that a request's cookie stands for; None without one.

        Raises:
            Forbidden: ``method`` changes something and the CSRF token is missing or wrong.
        """
        session = self.look(headers)
        if session is None or method in SAFE_METHODS:
            return session
        token = headers.get(_CSRF, b"")
        if not hmac.compare_digest(token, session.csrf_token.encode()):
            raise Forbidden(
                "A request with a cookie that changes something needs the session's CSRF token.",
                remedy=f"Send `csrf_token` of `GET /v1/session` as {CSRF_HEADER}, or use a key.",
                param=CSRF_HEADER,
            )
        return session

    def look(self, headers: Mapping[bytes, bytes]) -> SignedIn | None:
        """The session of a request's cookie, whatever it is about to do."""
        if not self._held:
            return None
        value = self._cookie_in(headers)
        digest = _digest(value)
        session = self._held.get(digest) if value else None
        if session is not None and session.expires_at <= self._now():
            del self._held[digest]
            return None
        return session

    def end(self, headers: Mapping[bytes, bytes]) -> bool:
        """Sign out; whether anybody was signed in."""
        return self._held.pop(_digest(self._cookie_in(headers)), None) is not None

    def drop_of(self, principal_id: str) -> None:
        """Sign out everywhere: the principal's key is refused."""
        for digest in [d for d, s in self._held.items() if s.principal.id == principal_id]:
            del self._held[digest]

    def check_rate(self, address: str) -> None:
        """Count one attempt to sign in from ``address``.

        Raises:
            RateLimited: there were too many in the last minute.
        """
        now = self._now()
        name = _counted_as(address)
        times = [at for at in self._tried.pop(name, []) if now - _WINDOW_S < at <= now]
        while len(self._tried) >= ADDRESSES_MAX:
            del self._tried[next(iter(self._tried))]
        self._tried[name] = times
        if len(times) >= SIGN_INS_PER_MIN:
            raise RateLimited(
                f"{SIGN_INS_PER_MIN} attempts to sign in came from there within a minute.",
                retry_after_s=max(1, math.ceil(times[0] + _WINDOW_S - now)),
                remedy="Wait as long as Retry-After says.",
            )
        times.append(now)

    def _cookie_in(self, headers: Mapping[bytes, bytes]) -> bytes:
        start = f"{self.cookie}=".encode()
        for part in headers.get(b"cookie", b"").split(b";"):
            pair = part.strip()
            if pair.startswith(start):
                return pair[len(start) :].strip(b'"')
        return b""


def _digest(value: bytes) -> bytes:
    return sha256(value).digest()


def _counted_as(address: str) -> str:
    """Addresses that one household can choose from count as one."""
    found = peer_address(address)
    if found is None:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(ipaddress.ip_network((found, _IPV6_PREFIX_BITS), strict=False))
