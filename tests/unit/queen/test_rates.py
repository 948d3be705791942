"""Rate limits of keys: what passes, what is told, what is paid back."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.principals import COLONY, Principal
from rbee.errors import RateLimited
from rbee.foundation.http.problems import problem_headers
from rbee.queen.scheduling.rates import Rates, estimated_tokens

ALICE = Principal("key:alice", "alice", requests_per_min=6, tokens_per_min=600)
BOB = Principal("key:bob", "bob", requests_per_min=6)


class Sent(NamedTuple):
    after_s: float
    tokens: int


def told(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode().removeprefix("x-ratelimit-"): text.decode() for name, text in headers}


def test_a_key_without_limits_is_told_nothing() -> None:
    rates = Rates()
    for _ in range(1000):
        assert rates.check(COLONY, 0.0) == []
    rates.debit(COLONY, 10**9, 0.0)
    assert rates.check(COLONY, 0.0) == []


def test_a_minutes_requests_may_come_at_once_and_then_wait() -> None:
    rates = Rates()
    left = [told(rates.check(BOB, 100.0))["remaining-requests"] for _ in range(6)]
    assert left == ["5", "4", "3", "2", "1", "0"]
    with pytest.raises(RateLimited, match="6 requests a minute") as refused:
        rates.check(BOB, 101.0)
    assert refused.value.retry_after_s == 9
    assert (b"retry-after", b"9") in problem_headers(refused.value)
    assert (b"x-ratelimit-remaining-requests", b"0") in problem_headers(refused.value)
    rates.check(BOB, 110.0)
    with pytest.raises(RateLimited):
        rates.check(BOB, 110.0)


def test_the_headers_are_openais() -> None:
    assert told(Rates().check(ALICE, 0.0)) == {
        "limit-requests": "6",
        "remaining-requests": "5",
        "reset-requests": "10s",
        "limit-tokens": "600",
        "remaining-tokens": "600",
        "reset-tokens": "0ms",
    }


def test_tokens_may_be_overdrawn_once_and_the_debt_is_paid_back() -> None:
    rates = Rates()
    rates.check(ALICE, 0.0)
    rates.debit(ALICE, 1100, 0.0)
    with pytest.raises(RateLimited, match="600 tokens a minute") as refused:
        rates.check(ALICE, 0.0)
    assert refused.value.retry_after_s == 51
    assert dict(refused.value.headers)[b"x-ratelimit-reset-tokens"] == b"1m50s"
    headers = told(rates.check(ALICE, 51.0))
    assert headers["remaining-tokens"] == "10"


def test_keys_do_not_pay_for_each_other() -> None:
    rates = Rates()
    for _ in range(6):
        rates.check(BOB, 0.0)
    assert told(rates.check(ALICE, 0.0))["remaining-requests"] == "5"


def passes(rates: Rates, now: float) -> bool:
    try:
        rates.check(ALICE, now)
    except RateLimited:
        return False
    return True


@given(st.lists(st.builds(Sent, st.floats(0, 30), st.integers(0, 400)), max_size=60))
def test_over_time_no_key_gets_more_than_its_limits(sent: list[Sent]) -> None:
    rates, now, passed, tokens = Rates(), 0.0, 0, 0
    for request in sent:
        now += request.after_s
        before = tokens
        if not passes(rates, now):
            continue
        passed += 1
        tokens += request.tokens
        rates.debit(ALICE, request.tokens, now)
        assert passed <= 6 + now * 6 / 60 + 1e-6
        assert before <= 600 + now * 600 / 60  # only the last answer may overdraw it


@given(st.floats(0, 1000), st.integers(0, 5000))
def test_who_comes_back_when_told_to_is_let_in(now: float, tokens: int) -> None:
    rates = Rates()
    rates.check(ALICE, now)
    rates.debit(ALICE, tokens, now)
    wait_s = 0
    try:
        rates.check(ALICE, now)
    except RateLimited as refused:
        wait_s = refused.retry_after_s
    assert passes(rates, now + wait_s)


def test_an_estimate_counts_what_was_asked_and_what_came() -> None:
    assert estimated_tokens(400, 30, 9000) == 130
    assert estimated_tokens(400, 0, 800) == 300
