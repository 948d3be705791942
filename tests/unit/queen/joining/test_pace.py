"""How often strangers may knock."""

from rbee.errors import RateLimited
from rbee.queen.joining.pace import (
    ADDRESSES_MAX,
    ALL_BURST,
    PER_ADDRESS_BURST,
    PER_ADDRESS_PER_S,
    Pace,
)


def _allowed(pace: Pace, address: str, now: float, tries: int) -> int:
    done = 0
    for _ in range(tries):
        try:
            pace.knock(address, now)
        except RateLimited:
            continue
        done += 1
    return done


def test_one_address_cannot_use_up_what_others_need() -> None:
    pace = Pace()
    assert _allowed(pace, "a", 100.0, 500) == PER_ADDRESS_BURST
    assert _allowed(pace, "b", 100.0, 10) == 10
    assert _allowed(pace, "a", 102.0, 500) == 2 * PER_ADDRESS_PER_S


def test_all_together_are_bounded_and_so_is_what_is_remembered() -> None:
    pace = Pace()
    assert sum(_allowed(pace, str(n), 100.0, 1) for n in range(ADDRESSES_MAX + 50)) == ALL_BURST
    assert len(pace._levels) == ADDRESSES_MAX
