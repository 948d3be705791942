"""Sign-in: cookies, CSRF tokens, their end; and how often one may try."""

from hashlib import sha256

import pytest

from rbee.contracts.principals import COLONY, LOCAL, Principal
from rbee.errors import Forbidden, InvalidApiKey, RateLimited
from rbee.foundation.http.keys import Keyring
from rbee.foundation.http.sessions import (
    ADDRESSES_MAX,
    SESSION_S,
    SESSIONS_MAX,
    SIGN_INS_PER_MIN,
    Sessions,
)

ALICE = Principal("key-1", "alice")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(clock: Clock) -> Keyring:
    principals = {sha256(b"colony").digest(): COLONY, sha256(b"alice").digest(): ALICE}
    return Keyring(principals, locked=True, now=clock)


def cookie(value: str, **more: str) -> dict[bytes, bytes]:
    named = {name.replace("_", "-").encode(): text.encode() for name, text in more.items()}
    return {b"cookie": f"theme=dark; rbee_session={value}; x=y".encode()} | named


def test_a_cookie_stands_for_the_key_where_nothing_changes(ring: Keyring) -> None:
    value, _ = ring.sessions.begin(ALICE)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert ring.find(cookie(value), method) is ALICE
    with pytest.raises(InvalidApiKey):
        ring.find(cookie(value + "x"), "GET")
    with pytest.raises(InvalidApiKey):
        ring.find({b"cookie": b"rbee_session="}, "GET")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "PUT", "TRACE", "FROB", "get"])
def test_whatever_changes_something_wants_the_csrf_token(ring: Keyring, method: str) -> None:
    value, session = ring.sessions.begin(ALICE)
    other, _ = ring.sessions.begin(ALICE)
    for headers in (
        cookie(value),
        cookie(value, x_csrf_token=""),
        cookie(value, x_csrf_token=session.csrf_token[:-1]),
        cookie(other, x_csrf_token=session.csrf_token),
    ):
        with pytest.raises(Forbidden, match="CSRF"):
            ring.find(headers, method)
    assert ring.find(cookie(value, x_csrf_token=session.csrf_token), method) is ALICE


def test_a_key_beside_a_cookie_is_what_counts(ring: Keyring) -> None:
    value, _ = ring.sessions.begin(ALICE)
    assert ring.find(cookie(value, authorization="Bearer colony"), "POST") is COLONY
    with pytest.raises(InvalidApiKey):
        ring.find(cookie(value, authorization="Bearer wrong"), "GET")


def test_a_session_ends_by_time_by_sign_out_and_with_its_key(ring: Keyring, clock: Clock) -> None:
    first, _ = ring.sessions.begin(ALICE)
    second, _ = ring.sessions.begin(ALICE)
    third, _ = ring.sessions.begin(COLONY)
    assert ring.sessions.end(cookie(first))
    assert not ring.sessions.end(cookie(first))
    ring.drop(sha256(b"alice").digest())
    for value in (first, second):
        with pytest.raises(InvalidApiKey):
            ring.find(cookie(value), "GET")
    assert ring.find(cookie(third), "GET") is COLONY
    clock.now += SESSION_S
    with pytest.raises(InvalidApiKey):
        ring.find(cookie(third), "GET")
    assert len(ring.sessions) == 0


def test_the_oldest_session_gives_way(ring: Keyring) -> None:
    values = [ring.sessions.begin(ALICE)[0] for _ in range(SESSIONS_MAX + 1)]
    assert len(ring.sessions) == SESSIONS_MAX
    assert ring.sessions.look(cookie(values[0])) is None
    assert ring.sessions.look(cookie(values[-1])) is not None


def test_attempts_are_counted_by_address(clock: Clock) -> None:
    sessions = Sessions(clock)
    for _ in range(SIGN_INS_PER_MIN):
        sessions.check_rate("192.0.2.1")
    with pytest.raises(RateLimited) as refused:
        sessions.check_rate("192.0.2.1")
    assert refused.value.retry_after_s == 60
    sessions.check_rate("192.0.2.2")
    clock.now += 60.0
    sessions.check_rate("192.0.2.1")


def test_one_households_addresses_count_as_one(clock: Clock) -> None:
    sessions = Sessions(clock)
    for number in range(SIGN_INS_PER_MIN):
        sessions.check_rate(f"2001:db8:1:2::{number:x}")
    with pytest.raises(RateLimited):
        sessions.check_rate("2001:db8:1:2:ffff::1")
    sessions.check_rate("2001:db8:1:3::1")
    sessions.check_rate("::ffff:192.0.2.1")
    sessions.check_rate("no address at all")


def test_a_forgers_addresses_do_not_fill_the_memory(clock: Clock) -> None:
    sessions = Sessions(clock)
    for number in range(ADDRESSES_MAX + 10):
        sessions.check_rate(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(sessions._tried) == ADDRESSES_MAX


def test_without_a_lock_nobody_needs_to_sign_in(clock: Clock) -> None:
    ring = Keyring({}, locked=False, now=clock)
    assert ring.find({b"cookie": b"rbee_session=stale"}, "POST") is LOCAL
