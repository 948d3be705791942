"""The book of keys: made once, kept by digest, known to the gate, gone when revoked."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path

import anyio
import msgspec
import pytest

from rbee.contracts.keys import KEY_PREFIX, KeyWish
from rbee.contracts.principals import COLONY, KeySetting, Principal
from rbee.errors import (
    CapacityError,
    Conflict,
    InvalidApiKey,
    InvalidRequest,
    QuotaExceeded,
    StorageError,
)
from rbee.errors import KeyNotFound as NoKey
from rbee.foundation.http.keys import Keyring, make_keyring
from rbee.foundation.jobserver import JobServer
from rbee.queen.keys.book import KeyBook
from rbee.queen.store.choice import make_journal
from rbee.queen.store.sqlite import FILE_NAME
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio


class Shelf:
    """Records in a dictionary; ``fault`` is what it answers instead."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], bytes] = {}
        self.fault: StorageError | None = None

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def records(self, kind: str) -> dict[str, bytes]:
        self._check()
        return {name: data for (of, name), data in self.held.items() if of == kind}

    async def keep(self, kind: str, id: str, data: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        self._check()
        self.held[kind, id] = data

    async def drop(self, kind: str, id: str) -> None:
        self._check()
        self.held.pop((kind, id), None)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@asynccontextmanager
async def book_on(
    shelf: Shelf, *configured: KeySetting, now: Callable[[], float] = lambda: 1000.0
) -> AsyncIterator[tuple[KeyBook, Keyring]]:
    ring = make_keyring("colony-key", configured)
    ring._now = now
    book = KeyBook(ring, shelf, configured=configured, now=now)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(book.run)
        await until(lambda: ring.missing is None or shelf.fault is not None)
        yield book, ring
        tasks.cancel_scope.cancel()


def whose(ring: Keyring, key: str) -> Principal:
    return ring.find({b"authorization": f"Bearer {key}".encode()})


async def test_a_key_is_told_once_and_kept_by_its_digest(shelf: Shelf) -> None:
    async with book_on(shelf) as (book, ring):
        wish = KeyWish(
            name="alice",
            scopes=["jobs", "inference", "jobs"],
            models=["llama-*"],
            expires_in_s=60,
            requests_per_min=5,
            priority=3,
        )
        made = await book.create(wish, COLONY)
        assert made.key.startswith(KEY_PREFIX)
        assert len(made.key) == len(KEY_PREFIX) + 64
        assert made.about.hint == made.key[:9]
        assert (made.about.expires_at, made.about.created_by) == (1060.0, "colony")
        (data,) = shelf.held.values()
        assert made.key.encode() not in data
        assert sha256(made.key.encode()).hexdigest().encode() in data
        assert book.list() == [made.about]
        principal = whose(ring, made.key)
        assert principal == Principal(
            id=made.about.id,
            name="alice",
            priority=3,
            requests_per_min=5,
            priority_max=3,
            scopes=frozenset({"inference", "jobs"}),
            models=("llama-*",),
        )


async def test_keys_are_there_again_after_a_restart(shelf: Shelf) -> None:
    async with book_on(shelf) as (book, _):
        made = await book.create(KeyWish(name="alice"), COLONY)
        gone = await book.create(KeyWish(name="bob"), COLONY)
        await book.revoke("bob", COLONY)
    async with book_on(shelf) as (book, ring):
        assert whose(ring, made.key).name == "alice"
        with pytest.raises(InvalidApiKey):
            whose(ring, gone.key)
        assert [key.name for key in book.list()] == ["alice"]


async def test_a_revoked_key_is_refused_from_that_moment(shelf: Shelf) -> None:
    async with book_on(shelf) as (book, ring):
        told: list[str] = []
        book.on_gone.append(told.append)
        made = await book.create(KeyWish(name="alice"), COLONY)
        value, _ = ring.sessions.begin(whose(ring, made.key))
        revoked = await book.revoke(made.about.id, COLONY)
        assert (revoked.id, revoked.name) == (made.about.id, "alice")
        assert told == [made.about.id]
        assert shelf.held == {}
        with pytest.raises(InvalidApiKey):
            whose(ring, made.key)
        assert ring.sessions.look({b"cookie": f"rbee_session={value}".encode()}) is None
        with pytest.raises(NoKey):
            await book.revoke("alice", COLONY)
        again = await book.create(KeyWish(name="alice"), COLONY)
        assert again.about.id != made.about.id


async def test_a_key_that_cannot_be_kept_is_none(shelf: Shelf) -> None:
    async with book_on(shelf) as (book, _):
        shelf.fault = StorageError("The disk is away.")
        with pytest.raises(StorageError):
            await book.create(KeyWish(name="alice"), COLONY)
        assert book.list() == []
        shelf.fault = None
        await book.create(KeyWish(name="alice"), COLONY)


async def test_a_revocation_that_cannot_be_kept_counts_and_says_so(shelf: Shelf) -> None:
    async with book_on(shelf) as (book, ring):
        made = await book.create(KeyWish(name="alice"), COLONY)
        shelf.fault = StorageError("The disk is away.")
        with pytest.raises(StorageError, match="refused from now on"):
            await book.revoke("alice", COLONY)
        with pytest.raises(InvalidApiKey):
            whose(ring, made.key)
        shelf.fault = None
        await book.revoke("alice", COLONY)
        assert (shelf.held, book.list()) == ({}, [])


async def test_a_key_expires_by_itself(shelf: Shelf) -> None:
    now = [1000.0]
    async with book_on(shelf, now=lambda: now[0]) as (book, ring):
        made = await book.create(KeyWish(name="alice", expires_in_s=60), COLONY)
        assert whose(ring, made.key).name == "alice"
        now[0] = 1060.0
        await book.create(KeyWish(name="other"), COLONY)  # whoever comes, the loop looks again
        await until(lambda: ring.drop_expired() is None)
        with pytest.raises(InvalidApiKey):
            whose(ring, made.key)
        assert [key.expired for key in book.list()] == [True, False]
    async with book_on(shelf, now=lambda: now[0]) as (book, ring):
        with pytest.raises(InvalidApiKey):
            whose(ring, made.key)
        await book.revoke("alice", COLONY)
        assert [key.name for key in book.list()] == ["other"]


async def test_while_the_store_is_away_nobodys_key_is_called_wrong(shelf: Shelf) -> None:
    shelf.fault = StorageError("The disk is away.")
    async with book_on(shelf) as (book, ring):
        with pytest.raises((StorageError, CapacityError)):
            whose(ring, "rbee_perhaps")
        with pytest.raises(InvalidApiKey):
            whose(ring, "no key of ours")
        with pytest.raises((StorageError, CapacityError)):
            book.list()
        with pytest.raises((StorageError, CapacityError)):
            await book.create(KeyWish(name="alice"), COLONY)
        shelf.fault = None
        await until(lambda: ring.missing is None)
        with pytest.raises(InvalidApiKey):
            whose(ring, "rbee_perhaps")


async def test_names_are_taken_once(shelf: Shelf) -> None:
    setting = KeySetting(name="team", sha256="0" * 64)
    async with book_on(shelf, setting) as (book, _):
        with pytest.raises(Conflict, match="team"):
            await book.create(KeyWish(name="team"), COLONY)
        with pytest.raises(Conflict, match=r"config\.toml"):
            await book.revoke("team", COLONY)
        made: list[str] = []

        async def create() -> None:
            try:
                await book.create(KeyWish(name="alice"), COLONY)
                made.append("alice")
            except Conflict:
                made.append("refused")

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(create)
        assert sorted(made) == ["alice", "refused", "refused"]
        shown = book.list()
        assert [(key.name, key.configured) for key in shown] == [("team", True), ("alice", False)]


async def test_what_a_key_used_today_outlives_the_queen(shelf: Shelf) -> None:
    async with book_on(shelf) as (book, ring):
        made = await book.create(KeyWish(name="alice", tokens_per_day=100), COLONY)
        book._quotas.debit(whose(ring, made.key), 60, 1000.0)
        assert book.list()[0].tokens_today == 60
    async with book_on(shelf) as (book, ring):
        assert book.list()[0].tokens_today == 60
        book._quotas.debit(whose(ring, made.key), 40, 1000.0)
        with pytest.raises(QuotaExceeded):
            book._quotas.check(whose(ring, made.key), 1000.0)
    async with book_on(shelf, now=lambda: 1000.0 + 86_400) as (book, ring):
        assert book.list()[0].tokens_today == 0
        book._quotas.check(whose(ring, made.key), 1000.0 + 86_400)
        await book.revoke("alice", COLONY)
    assert shelf.held == {}


async def test_an_operators_key_has_no_list_of_models(shelf: Shelf) -> None:
    async with book_on(shelf) as (book, ring):
        with pytest.raises(InvalidRequest):
            await book.create(KeyWish(name="x", scopes=["operator"], models=["a"]), COLONY)
        made = await book.create(KeyWish(name="x", scopes=["operator"]), COLONY)
        assert whose(ring, made.key).operator


async def test_a_damaged_record_harms_no_other(shelf: Shelf) -> None:
    async with book_on(shelf) as (book, _):
        made = await book.create(KeyWish(name="alice"), COLONY)
    shelf.held["key", "key-bad"] = b"{"
    shelf.held["key", "key-odd"] = msgspec.json.encode(
        msgspec.json.decode(next(iter(shelf.held.values()))) | {"sha256": "no hex"}
    )
    async with book_on(shelf) as (book, ring):
        assert whose(ring, made.key).name == "alice"


async def test_keys_stand_in_the_queens_own_store(tmp_path: Path) -> None:
    async def life() -> AsyncExitStack:
        stack = AsyncExitStack()
        journal = make_journal("sqlite", tmp_path)
        await stack.enter_async_context(JobServer(actor="queen", journal=journal))
        ring = make_keyring("colony-key")
        book = KeyBook(ring, journal)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(book.run)
        await until(lambda: ring.missing is None)
        lives.append((book, ring))
        return stack

    lives: list[tuple[KeyBook, Keyring]] = []
    async with await life():
        made = await lives[-1][0].create(KeyWish(name="alice"), COLONY)
    assert made.key.encode() not in (tmp_path / FILE_NAME).read_bytes()
    async with await life():
        assert whose(lives[-1][1], made.key).name == "alice"
        await lives[-1][0].revoke("alice", COLONY)
    async with await life():
        assert lives[-1][0].list() == []
