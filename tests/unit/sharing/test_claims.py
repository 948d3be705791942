"""One hive at a time fetches a model from outside."""

from hypothesis import given
from hypothesis import strategies as st

from rbee.queen.sharing.claims import ARRIVED_S, CLAIM_S, Claim, Claims


def mine(hive_id: str, have: int = 0) -> Claim:
    return Claim(hive_id=hive_id, ends_at=0.0, have_bytes=have)


def test_the_first_fetches_and_the_others_wait() -> None:
    claims = Claims()
    assert claims.claim("m", mine("alpha"), 0.0) is None
    assert claims.claim("m", mine("alpha", 7), 2.0) is None
    other = claims.claim("m", mine("beta"), 2.5)
    assert other is not None
    assert (other.hive_id, other.have_bytes) == ("alpha", 7)
    assert claims.claim("another", mine("beta"), 2.5) is None


def test_a_claim_that_is_not_renewed_ends() -> None:
    claims = Claims()
    claims.claim("m", mine("alpha"), 0.0)
    assert claims.claim("m", mine("beta"), CLAIM_S - 0.1) is not None
    assert claims.claim("m", mine("beta"), CLAIM_S) is None
    assert claims.claim("m", mine("alpha"), CLAIM_S + 1) is not None


def test_who_gives_up_lets_the_next_one_try_at_once() -> None:
    claims = Claims()
    claims.claim("m", mine("alpha"), 0.0)
    claims.end("m", "beta", 1.0, arrived=False)
    assert claims.of("m", 1.0) is not None
    claims.end("m", "alpha", 1.0, arrived=False)
    assert claims.claim("m", mine("beta"), 1.0) is None


def test_what_has_arrived_is_waited_for_until_a_beat_shows_it() -> None:
    claims = Claims()
    claims.claim("m", mine("alpha"), 0.0)
    claims.end("m", "alpha", 5.0, arrived=True)
    assert claims.claim("m", mine("beta"), 5.0 + ARRIVED_S - 0.1) is not None
    assert claims.claim("m", mine("beta"), 5.0 + ARRIVED_S) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["alpha", "beta", "gamma"]),
            st.sampled_from(["claim", "arrived", "given_up"]),
            st.floats(0, 4),
        )
    )
)
def test_never_two_at_a_time(steps: list[tuple[str, str, float]]) -> None:
    claims, now = Claims(), 0.0
    turn: tuple[str, float] | None = None  # who was told to fetch, and until when it is theirs
    for hive, what, pause in steps:
        now += pause
        if what == "claim":
            given_to_me = claims.claim("m", mine(hive), now) is None
            if given_to_me:
                assert turn is None or turn[0] == hive or turn[1] <= now
                turn = (hive, now + CLAIM_S)
        else:
            claims.end("m", hive, now, arrived=what == "arrived")
            if turn is not None and turn[0] == hive and turn[1] > now:
                turn = (hive, now + ARRIVED_S) if what == "arrived" else None
