"""The book of API keys: made, shown, revoked; kept in the store, known to the gate.

A key is 256 random bits. Only its SHA-256 is kept: who reads the store can use none. The
gate's keyring has every key in memory, so a request asks no database, and a key that is
revoked is refused from that very moment. One loop reads the store at the start (until then
the keyring answers "not yet" to keys of ours that it does not know) and drops keys whose
time has come. What keys used of their quotas is kept now and then: a queen that is
killed forgets half a minute of it. ``api/keys`` is the way in.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final, Protocol

import anyio
import msgspec

from rbee.contracts.keys import (
    KEY_ID_PREFIX,
    KEY_PREFIX,
    ApiKey,
    KeyMade,
    KeyRevoked,
    KeyWish,
)
from rbee.contracts.principals import (
    PRIORITY_MAX,
    KeyScope,
    KeySetting,
    Principal,
)
from rbee.errors import CapacityError, Conflict, InvalidRequest, KeyNotFound, StorageError
from rbee.foundation import logs
from rbee.foundation.http.keys import Keyring, principal_of
from rbee.queen.scheduling.quotas import Quotas, Used

KEYS_MAX: Final = 10_000  # each is a few hundred bytes in memory; a listing is a few MiB
SECRET_BYTES: Final = 32  # 256 bits: nobody guesses it, so a plain digest is safe to keep
HINT_LENGTH: Final = len(KEY_PREFIX) + 4  # enough to tell two keys apart, nothing to guess with
LOOK_EVERY_S: Final = 30.0  # clocks are set and machines sleep; and so often quotas are kept
KEEP_S: Final = 2.0  # at exit; the store writes in milliseconds or is in trouble
READ_PATIENCE_S: Final = 10.0  # the store opens in milliseconds, or says why it does not
RETRY_S: Final = 1.0  # a store that cannot be read now is tried again this often

_KIND: Final = "key"
_USED: Final = "used"
_CREATED_BY_LENGTH_MAX: Final = 80  # a principal's id

_log = logs.get(__name__)


class Records(Protocol):
    """Where keys are kept: ``queen.store``."""

    async def records(self, kind: str) -> dict[str, bytes]:
        """All documents of a kind, by their ids."""
        ...

    async def keep(self, kind: str, id: str, data: bytes) -> None:
        """Keep one."""
        ...

    async def drop(self, kind: str, id: str) -> None:
        """Take one out."""
        ...


class KeptKey(msgspec.Struct, kw_only=True, frozen=True):
    """A key as the store has it. Times are Unix seconds."""

    id: str
    name: str
    sha256: str
    hint: str
    scopes: list[KeyScope]
    models: list[str]
    created_at: float
    created_by: str
    expires_at: float | None = None
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    tokens_per_day: int | None = None
    priority: int = 0

    @property
    def digest(self) -> bytes:
        """What the keyring knows it by."""
        return bytes.fromhex(self.sha256)


class KeyBook:
    """All keys that were created. Owned by the event loop; ``run`` is its one task."""

    def __init__(
        self,
        keyring: Keyring,
        records: Records,
        *,
        configured: Iterable[KeySetting] = (),
        quotas: Quotas | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``configured`` are those of config.toml, for the listing; ``now`` in Unix seconds.

        ``quotas`` counts what keys use; it is kept and given back here.
        """
        self._quotas = quotas or Quotas()
        self._keyring = keyring
        self._records = records
        self._configured = {entry.name: entry for entry in configured}
        self._now = now
        self._keys: dict[str, KeptKey] = {}
        self._making: set[str] = set()
        self._changed = asyncio.Event()
        self._tried = asyncio.Event()
        self.on_gone: list[Callable[[str], None]] = []
        """Called with the id of a principal whose key was revoked."""
        self.on_made: list[Callable[[str, str, str], None]] = []
        """Called with the id and the name of a new key, and the id of who made it."""
        keyring.missing = CapacityError("The queen has not read her keys yet.", retry_after_s=1)

    async def run(self) -> None:
        """Read what is kept, then drop keys as they expire; runs until it is cancelled."""
        await self._read()
        try:
            while True:
                self._changed.clear()
                next_at = self._keyring.drop_expired()
                left_s = LOOK_EVERY_S if next_at is None else next_at - self._now()
                with anyio.move_on_after(max(0.0, min(LOOK_EVERY_S, left_s))):
                    await self._changed.wait()
                await self._keep_used()
        finally:
            with anyio.move_on_after(KEEP_S, shield=True):
                await self._keep_used()

    async def ready(self) -> None:
        """Return when the first attempt to read what is kept has ended, well or not."""
        with anyio.move_on_after(READ_PATIENCE_S):
            await self._tried.wait()

    # ── what operators do ────────────────────────────────────────────────────

    async def create(self, wish: KeyWish, creator: Principal) -> KeyMade:
        """Make a key; return when it is kept. Nobody will see its text again.

        Raises:
            InvalidRequest: the wish contradicts itself.
            Conflict: the name is taken, or there are too many keys.
            StorageError, CapacityError: it cannot be kept, so there is none.
        """
        self._check_read()
        self._check_wish(wish)
        text = KEY_PREFIX + secrets.token_hex(SECRET_BYTES)
        now = self._now()
        key = KeptKey(
            id=KEY_ID_PREFIX + secrets.token_hex(6),
            name=wish.name,
            sha256=sha256(text.encode()).hexdigest(),
            hint=text[:HINT_LENGTH],
            scopes=sorted(set(wish.scopes)),
            models=wish.models,
            created_at=now,
            created_by=creator.id[:_CREATED_BY_LENGTH_MAX],
            expires_at=None if wish.expires_in_s is None else now + wish.expires_in_s,
            requests_per_min=wish.requests_per_min,
            tokens_per_min=wish.tokens_per_min,
            tokens_per_day=wish.tokens_per_day,
            priority=wish.priority,
        )
        self._making.add(key.name)
        try:
            await self._records.keep(_KIND, key.id, msgspec.json.encode(key))
        finally:
            self._making.discard(key.name)
        self._know(key)
        self._changed.set()
        for tell in self.on_made:
            tell(key.id, key.name, key.created_by)
        _log.info("key created", id=key.id, name=key.name, scopes=key.scopes, by=key.created_by)
        return KeyMade(key=text, about=self._shown(key))

    def list(self) -> list[ApiKey]:
        """All keys, those of config.toml first, then by their age.

        Raises:
            StorageError, CapacityError: what is kept has not been read.
        """
        self._check_read()
        created = sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))
        return [*map(self._as_shown, self._configured.values()), *map(self._shown, created)]

    async def revoke(self, wanted: str, revoker: Principal) -> KeyRevoked:
        """Refuse a key, named by id or name, from this moment on; return when that is kept.

        Raises:
            KeyNotFound: there is none.
            Conflict: it stands in config.toml.
            StorageError: it is refused now, and would work again after a restart.
        """
        self._check_read()
        key = self._find(wanted)
        self._keyring.drop(key.digest)
        for tell in self.on_gone:
            tell(key.id)
        _log.info("key revoked", id=key.id, name=key.name, by=revoker.id)
        try:
            await self._records.drop(_KIND, key.id)
            await self._records.drop(_USED, key.id)
        except StorageError as error:
            raise StorageError(
                f"The key {key.name!r} is refused from now on, but it is still in the store: "
                f"{error.message}",
                remedy="Revoke it again when the store works, or a restart brings it back.",
            ) from None
        self._keys.pop(key.id, None)
        return KeyRevoked(id=key.id, name=key.name)

    # ── inside ───────────────────────────────────────────────────────────────

    async def _read(self) -> None:
        while True:
            try:
                found = await self._records.records(_KIND)
            except StorageError as error:
                self._keyring.missing = error
                self._tried.set()
                await anyio.sleep(RETRY_S)
                continue
            break
        for key_id, data in found.items():
            try:
                self._know(msgspec.json.decode(data, type=KeptKey))
            except (msgspec.MsgspecError, ValueError) as error:
                _log.error("a kept key cannot be read", id=key_id, why=str(error))
        await self._read_used()
        self._keyring.missing = None
        self._tried.set()

    async def _read_used(self) -> None:
        try:
            found = await self._records.records(_USED)
        except StorageError as error:
            _log.warning("quotas begin anew", why=error.message)
            return
        for principal_id, data in found.items():
            try:
                self._quotas.restore(principal_id, msgspec.json.decode(data, type=Used))
            except msgspec.MsgspecError as error:
                _log.error("a kept quota cannot be read", id=principal_id, why=str(error))

    async def _keep_used(self) -> None:
        for principal_id, used in self._quotas.unkept().items():
            try:
                await self._records.keep(_USED, principal_id, msgspec.json.encode(used))
                self._quotas.kept(principal_id, used)
            except StorageError as error:
                _log.warning("a quota is not kept", id=principal_id, why=error.message)

    def _know(self, key: KeptKey) -> None:
        self._keys[key.id] = key
        if key.expires_at is None or key.expires_at > self._now():
            self._keyring.put(key.digest, _principal(key), expires_at=key.expires_at)

    def _check_read(self) -> None:
        if self._keyring.missing is not None:
            raise self._keyring.missing.with_traceback(None)  # raised often: it must not grow

    def _check_wish(self, wish: KeyWish) -> None:
        names = {key.name for key in self._keys.values()} | self._making | set(self._configured)
        if wish.name in names:
            raise Conflict(
                f"There is a key named {wish.name!r} already.",
                remedy="Choose another name, or revoke that one first.",
            )
        if len(names) >= KEYS_MAX:
            raise Conflict(f"There are {KEYS_MAX} keys already.", remedy="Revoke some first.")
        if "operator" in wish.scopes and wish.models:
            raise InvalidRequest(
                "An operator's key may do everything: a list of models would not hold it.",
                param="$.models",
            )

    def _find(self, wanted: str) -> KeptKey:
        if wanted in self._configured:
            raise Conflict(
                f"The key {wanted!r} stands in config.toml.",
                remedy="Take its [[queen.keys]] out there and restart the queen.",
            )
        for key in self._keys.values():
            if wanted in {key.id, key.name}:
                return key
        raise KeyNotFound(f"There is no key {wanted!r}.")

    def _shown(self, key: KeptKey) -> ApiKey:
        return ApiKey(
            id=key.id,
            name=key.name,
            hint=key.hint,
            scopes=key.scopes,
            models=key.models,
            created_at=key.created_at,
            created_by=key.created_by,
            expires_at=key.expires_at,
            expired=key.expires_at is not None and key.expires_at <= self._now(),
            requests_per_min=key.requests_per_min,
            tokens_per_min=key.tokens_per_min,
            tokens_per_day=key.tokens_per_day,
            tokens_today=self._tokens_today(key.id, key.tokens_per_day),
            priority=key.priority,
        )

    def _as_shown(self, entry: KeySetting) -> ApiKey:
        return ApiKey(
            id=f"config:{entry.name}",
            name=entry.name,
            hint="",
            scopes=entry.scopes,
            models=entry.models,
            configured=True,
            requests_per_min=entry.requests_per_min,
            tokens_per_min=entry.tokens_per_min,
            tokens_per_day=entry.tokens_per_day,
            tokens_today=self._tokens_today(principal_of(entry).id, entry.tokens_per_day),
            priority=entry.priority,
        )

    def _tokens_today(self, principal_id: str, quota: int | None) -> int | None:
        return None if quota is None else self._quotas.today(principal_id, self._now())


def _principal(key: KeptKey) -> Principal:
    operator = "operator" in key.scopes
    return Principal(
        id=key.id,  # not the name: a later key of this name must not see this one's jobs
        name=key.name,
        priority=key.priority,
        requests_per_min=key.requests_per_min,
        tokens_per_min=key.tokens_per_min,
        tokens_per_day=key.tokens_per_day,
        priority_max=PRIORITY_MAX if operator else key.priority,
        operator=operator,
        scopes=frozenset(key.scopes),
        models=tuple(key.models),
    )
