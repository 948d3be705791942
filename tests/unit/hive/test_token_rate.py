"""Tokens a second, told while an answer is written and not when it is over."""

import pytest

from rbee.hive.workers.token_rate import TokenRate


def rates(*totals: float | None, every_s: float = 1.0) -> list[float | None]:
    rate = TokenRate()
    return [rate.look(total, every_s * n) for n, total in enumerate(totals)]


def test_two_looks_make_a_rate() -> None:
    assert rates(5, 35, 35, 65) == [None, 30.0, 0.0, 30.0]
    assert rates(0, 30, every_s=2.0) == [None, 15.0]


def test_a_request_that_ends_between_the_two_answers_is_no_burst() -> None:
    # 930 tokens under way vanish from the slots before the counter shows them.
    assert rates(900, 930, 0, 990, 1020) == [None, 30.0, 30.0, 30.0, 30.0]


@pytest.mark.parametrize("after", [(0.0, 10.0), (0.0, 0.0)])
def test_a_counter_that_stays_low_is_begun_anew(after: tuple[float, float]) -> None:
    first, second = after
    assert rates(900, 930, first, first, second) == [None, 30.0, 30.0, None, second]


def test_unknown_is_no_rate_and_no_start_of_one() -> None:
    assert rates(None, 5, None, 35, 65) == [None, None, None, None, 30.0]
