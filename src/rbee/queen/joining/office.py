"""The office where hives join: it owns the CA and the books, and hands out certificates.

The rule: what it hands out is in its books on disk first; what it takes away counts at once, also
when the disk fails. Its door is ``api.joining``; the gate asks ``accepts`` for every request
that comes with a certificate, the heartbeats' door ``check_speaker`` for every beat.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import msgspec

from rbee.contracts.joining import (
    JoinAnswer,
    JoinRequest,
    JoinRequestRow,
    JoinTokenRow,
    JoinTokenWish,
    NewJoinToken,
)
from rbee.errors import Forbidden, StorageError
from rbee.foundation import logs
from rbee.foundation.http.tls import Peer
from rbee.foundation.identity.authority import LIFETIME_S, Authority, membership_of, open_authority
from rbee.foundation.identity.folder import (
    ca_dir,
    queen_client_identity,
    queen_server_identity,
)
from rbee.foundation.identity.keys import PublicKey, key_fingerprint, pairing_code
from rbee.foundation.identity.requests import public_key_in
from rbee.foundation.identity.tokens import make_token, parse_token
from rbee.queen.joining.books import Books, MemberRow, check_hive_id
from rbee.queen.joining.ledger_file import read_ledger, write_ledger
from rbee.queen.joining.pace import Pace
from rbee.queen.joining.waiting import ASK_AGAIN_S, Queue, Waiting

LEDGER_FILE: Final = "joining.json"

_SHOWN_CHARS_MAX: Final = 64  # of what a stranger says about itself

_log = logs.get(__name__)


class Office:
    """Joining, for one queen. ``directory`` is her data folder; ``clock`` gives Unix time.

    ``in_use(hive_id, address)`` says whether a machine at another address is a hive of that
    name without a certificate; ``hosts`` are the names and addresses she is reached by.
    """

    def __init__(
        self,
        directory: Path,
        *,
        in_use: Callable[[str, str], bool] = lambda _hive_id, _address: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = directory / LEDGER_FILE
        self._clock = clock
        self._in_use = in_use
        self._books = Books(read_ledger(self._path))
        self._queue = Queue()
        self._pace = Pace()
        self._authority: Authority | None = None
        self._changed = 0
        self._written = 0
        self._writing = anyio.Lock()  # a file has one writer at a time
        self.urls: list[str] = []
        """Where hives may reach her, the likeliest first; shown with a new token."""
        self.on_revoked: list[Callable[[str], None]] = []
        """Called with a hive's id when it was shut out or replaced: cut its link, forget it."""

    @property
    def authority(self) -> Authority:
        """The colony's CA, made when it is first needed.

        Raises:
            StorageError: its folder cannot be used.
        """
        if self._authority is None:
            self._authority = open_authority(ca_dir(), self._clock())
        return self._authority

    def freshen(self, hosts: frozenset[str]) -> None:
        """Make or renew the queen's own certificates; ``hosts`` stand in her server's.

        Raises:
            StorageError: a folder cannot be written.
        """
        now = self._clock()
        queen_server_identity(self.authority, hosts, now)
        queen_client_identity(self.authority, now)

    # ── who counts ───────────────────────────────────────────────────────────

    def accepts(self, peer: Peer) -> bool:
        """Whether a certificate that TLS found good still counts: two look-ups."""
        if peer.hive_id is None:
            return True  # the queen herself
        return self._books.counts(peer.hive_id, membership_of(peer.serial))

    def check_speaker(self, speaker: str | None, hive_id: str) -> None:
        """Refuse words in another hive's name. ``speaker`` is whom the certificate names.

        Raises:
            Forbidden: it is another hive, or this one speaks with a certificate only.
        """
        if speaker == hive_id:
            return
        if speaker is not None:
            raise Forbidden(
                f"The hive {speaker} may not speak for {hive_id[:_SHOWN_CHARS_MAX]!r}.",
                remedy="A hive's certificate names it; `rbee hive join` gives it another one.",
            )
        row = self._books.members.get(hive_id)
        if row is not None:
            what = "was shut out" if row.revoked_at is not None else "speaks with its certificate"
            raise Forbidden(
                f"The hive {hive_id} {what}; this came without one.",
                remedy="Join it with a new token (`rbee hive token` on the operator's machine, "
                "`rbee hive join` there), or let this hive have another name.",
            )

    def members(self) -> list[MemberRow]:
        """All that joined, also those that were shut out."""
        return list(self._books.members.values())

    def member(self, hive_id: str) -> MemberRow | None:
        """The member of this name; None for a hive that never joined."""
        return self._books.members.get(hive_id)

    # ── hives ────────────────────────────────────────────────────────────────

    def knock(self, address: str) -> None:
        """Count one try to join from an address.

        Raises:
            RateLimited: too many.
        """
        self._pace.knock(address, anyio.current_time())

    async def join(self, asked: JoinRequest, address: str) -> JoinAnswer:
        """Let a hive in: by its token, by an approval, or because its key is known.

        Raises:
            InvalidRequest: the name, the token or the signing request is none.
            Forbidden, Conflict: the token, the name; an operator said no.
            QueueFull: too many wait for approval.
            StorageError: the books cannot be written.
        """
        check_hive_id(asked.hive_id)
        key = public_key_in(asked.request)
        now = self._clock()
        row = self._books.holder(asked.hive_id, key_fingerprint(key))
        if row is None and asked.token is None:
            return self._wait(asked, key, address, now)
        if asked.token is not None:
            row = self._spend(asked, asked.token, key, address, now) or row
        if row is None:  # a used token, and its hive was shut out since
            raise Forbidden(
                f"The hive {asked.hive_id} was shut out since it joined with this token.",
                remedy="`rbee hive token` on the operator's machine makes a new one.",
            )
        return await self._hand_out(row, key, now)

    async def renew(self, hive_id: str, request: str) -> JoinAnswer:
        """A fresh certificate for a hive that showed its old one.

        Raises:
            InvalidRequest: the signing request is none.
            Forbidden: it is for another key than the hive's.
            StorageError: the books cannot be written.
        """
        key = public_key_in(request)
        row = self._books.holder(hive_id, key_fingerprint(key))
        if row is None:
            raise Forbidden(
                f"This is not the key that {hive_id} joined with.",
                remedy="Join again with a new token to have another key.",
            )
        return await self._hand_out(row, key, self._clock())

    def _spend(
        self, asked: JoinRequest, text: str, key: PublicKey, address: str, now: float
    ) -> MemberRow | None:
        """Use the token; the new member, or None when it had been used by this very hive."""
        token = parse_token(text)
        if token.ca_fingerprint != self.authority.fingerprint:
            raise Forbidden(
                "This token is for another colony.",
                remedy="Check the queen's address, or make a token on her machine.",
            )
        print_ = key_fingerprint(key)
        spent = self._books.use_token(
            token, asked.hive_id, print_, now, in_use=lambda name: self._in_use(name, address)
        )
        if not spent:
            return None
        return self._enter(asked.hive_id, print_, now, f"token {token.id}", asked.hostname)

    def _wait(self, asked: JoinRequest, key: PublicKey, address: str, now: float) -> JoinAnswer:
        print_ = key_fingerprint(key)
        code = pairing_code(self.authority.fingerprint, print_)
        entry = Waiting(
            hive_id=asked.hive_id,
            key=print_,
            code=code,
            address=address,
            hostname=_shown(asked.hostname),
            version=_shown(asked.version),
            asked_at=now,
            seen_at=now,
        )
        self._queue.ask(entry)
        return JoinAnswer(
            status="pending",
            hive_id=asked.hive_id,
            message="An operator has to approve this hive: `rbee hive pending` on her machine.",
            ca=self.authority.pem.decode("ascii"),
            code=code,
            retry_s=ASK_AGAIN_S,
        )

    def _enter(
        self, hive_id: str, key: str, now: float, joined_by: str, hostname: str
    ) -> MemberRow:
        replaced = hive_id in self._books.members
        row = self._books.enter(hive_id, key, now, joined_by=joined_by, hostname=_shown(hostname))
        self._changed += 1
        _log.info("hive joins", hive=hive_id, by=joined_by, replaces=replaced)
        if replaced:
            self._tell_revoked(hive_id)
        return row

    async def _hand_out(self, row: MemberRow, key: PublicKey, now: float) -> JoinAnswer:
        row.expires_at = now + LIFETIME_S
        self._changed += 1
        await self._write()
        pem = self.authority.issue_hive(key, row.hive_id, now, row.number)
        return JoinAnswer(
            status="joined",
            hive_id=row.hive_id,
            certificate=pem.decode("ascii"),
            ca=self.authority.pem.decode("ascii"),
        )

    # ── operators ────────────────────────────────────────────────────────────

    async def new_token(self, wish: JoinTokenWish, made_by: str) -> NewJoinToken:
        """A token for one hive.

        Raises:
            InvalidRequest: bound to what is no name.
            QueueFull: too many are open.
            StorageError: the books or the CA cannot be written.
        """
        token = make_token(self.authority.fingerprint)
        row = self._books.add_token(
            token, wish.hive_ids, self._clock(), life_s=wish.expires_s, made_by=made_by
        )
        self._changed += 1
        await self._write()
        _log.info("join token", id=row.id, hives=row.hive_ids, by=made_by)
        return NewJoinToken(
            token=token.text(),
            id=row.id,
            hive_ids=row.hive_ids,
            expires_at=row.expires_at,
            urls=self.urls,
        )

    def tokens(self) -> list[JoinTokenRow]:
        """The tokens that somebody could still use."""
        return [
            JoinTokenRow(
                id=row.id,
                hive_ids=row.hive_ids,
                created_at=row.created_at,
                expires_at=row.expires_at,
                made_by=row.made_by,
            )
            for row in self._books.open_tokens(self._clock())
        ]

    async def drop_token(self, token_id: str) -> bool:
        """Take a token back; whether there was one.

        Raises:
            StorageError: the books cannot be written; it is of no use all the same.
        """
        known = self._books.drop_token(token_id)
        if known:
            self._changed += 1
            await self._write()
        return known

    def requests(self) -> list[JoinRequestRow]:
        """The hives that wait for approval."""
        return [
            JoinRequestRow(
                hive_id=entry.hive_id,
                code=entry.code,
                address=entry.address,
                hostname=entry.hostname,
                version=entry.version,
                asked_at=entry.asked_at,
                seen_at=entry.seen_at,
                replaces=entry.hive_id in self._books.members
                or self._in_use(entry.hive_id, entry.address),
            )
            for entry in self._queue.rows(self._clock())
        ]

    async def approve(self, name: str, code: str | None, by: str) -> str:
        """Let a waiting hive in; it fetches its certificate when it asks next. Its id.

        Raises:
            HiveNotFound, Conflict: as ``Queue.find``.
            StorageError: the books cannot be written.
        """
        now = self._clock()
        entry = self._queue.find(name, code, now)
        self._enter(entry.hive_id, entry.key, now, f"approval by {by}", entry.hostname)
        self._queue.remove(entry)
        await self._write()
        return entry.hive_id

    def reject(self, name: str, code: str | None, by: str) -> str:
        """Send a waiting hive away for an hour. Its id.

        Raises:
            HiveNotFound, Conflict: as ``Queue.find``.
        """
        now = self._clock()
        entry = self._queue.find(name, code, now)
        self._queue.refuse(entry, now)
        _log.info("hive rejected", hive=entry.hive_id, code=entry.code, by=by)
        return entry.hive_id

    async def revoke(self, hive_id: str, by: str) -> None:
        """Shut a hive out, at once.

        Raises:
            HiveNotFound: it never joined.
            StorageError: the books cannot be written; until a restart it counts all the same.
        """
        self._books.revoke(hive_id, self._clock())
        self._changed += 1
        self._tell_revoked(hive_id)
        _log.warning("hive revoked", hive=hive_id, by=by)
        await self._write()

    async def forget(self, hive_id: str, by: str) -> bool:
        """Strike a hive from the books; whether it stood there.

        Raises:
            StorageError: the books cannot be written; until a restart it is forgotten all the same.
        """
        if not self._books.forget(hive_id):
            return False
        self._changed += 1
        self._tell_revoked(hive_id)
        _log.warning("hive forgotten", hive=hive_id, by=by)
        await self._write()
        return True

    def _tell_revoked(self, hive_id: str) -> None:
        for tell in self.on_revoked:
            tell(hive_id)

    async def _write(self) -> None:
        """Return when everything that changed until now is on disk; bursts share one write."""
        wanted = self._changed
        async with self._writing:
            if self._written >= wanted:
                return
            writing = self._changed
            content = msgspec.json.encode(self._books.ledger())
            try:
                await anyio.to_thread.run_sync(write_ledger, self._path, content)
            except OSError as error:
                raise StorageError(
                    f"{self._path} cannot be written: {error.strerror}.",
                    remedy="Free some space and check the permissions of the data folder.",
                ) from None
            self._written = writing


def _shown(text: str) -> str:
    """What a stranger says about itself, fit for a terminal."""
    return "".join(char for char in text if char.isprintable())[:_SHOWN_CHARS_MAX]
