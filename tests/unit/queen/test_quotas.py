"""Quotas: tokens a day, by the calendar in UTC."""

import pytest

from rbee.contracts.principals import COLONY, Principal
from rbee.errors import QuotaExceeded
from rbee.queen.scheduling.quotas import DAY_S, Quotas, Used

ALICE = Principal("key-1", "alice", tokens_per_day=100)
NOON = 20_000 * DAY_S + DAY_S // 2


def test_a_quota_is_used_up_and_begins_anew_at_midnight() -> None:
    quotas = Quotas()
    quotas.check(ALICE, NOON)
    quotas.debit(ALICE, 99, NOON)
    quotas.check(ALICE, NOON)
    quotas.debit(ALICE, 50, NOON)  # an answer that was under way
    with pytest.raises(QuotaExceeded) as refused:
        quotas.check(ALICE, NOON + 0.5)
    assert refused.value.retry_after_s == DAY_S // 2
    assert quotas.today("key-1", NOON) == 149
    quotas.check(ALICE, NOON + DAY_S // 2)
    assert quotas.today("key-1", NOON + DAY_S // 2) == 0


def test_who_has_no_quota_is_not_counted() -> None:
    quotas = Quotas()
    quotas.debit(COLONY, 1000, NOON)
    quotas.debit(ALICE, 0, NOON)
    quotas.check(COLONY, NOON)
    assert quotas.unkept() == {}


def test_what_changed_is_told_until_it_is_kept() -> None:
    quotas = Quotas()
    quotas.debit(ALICE, 5, NOON)
    quotas.debit(ALICE, 5, NOON)
    assert quotas.unkept() == quotas.unkept() == {"key-1": Used(20_000, 10)}
    quotas.debit(ALICE, 1, NOON)
    quotas.kept("key-1", Used(20_000, 10))  # it went on meanwhile
    assert quotas.unkept() == {"key-1": Used(20_000, 11)}
    quotas.kept("key-1", Used(20_000, 11))
    assert quotas.unkept() == {}
    quotas.debit(ALICE, 1, NOON)
    quotas.forget("key-1")
    assert (quotas.unkept(), quotas.today("key-1", NOON)) == ({}, 0)


def test_what_was_kept_is_added_to_what_came_since() -> None:
    quotas = Quotas()
    quotas.debit(ALICE, 5, NOON)
    quotas.restore("key-1", Used(20_000, 60))
    quotas.restore("key-2", Used(20_000, 7))
    assert (quotas.today("key-1", NOON), quotas.today("key-2", NOON)) == (65, 7)
    quotas.debit(ALICE, 1, NOON + DAY_S)
    quotas.restore("key-1", Used(20_000, 60))
    assert quotas.today("key-1", NOON + DAY_S) == 1
