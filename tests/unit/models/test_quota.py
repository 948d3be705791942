"""Which models go for the quota: pure."""

from hypothesis import given
from hypothesis import strategies as st

from rbee.hive.models.quota import Held, plan_clearing

held_models = st.lists(
    st.builds(
        Held,
        id=st.uuids().map(str),
        size_bytes=st.integers(0, 1_000),
        used_at=st.floats(0, 1_000, allow_nan=False),
        kept=st.sampled_from([None, "loaded", "pinned", "downloading"]),
    ),
    max_size=12,
)
sizes = st.integers(0, 3_000)


@given(held_models, sizes, sizes)
def test_it_fits_afterwards_or_nothing_goes(held: list[Held], needed: int, quota: int) -> None:
    clearing = plan_clearing(held, needed, quota)
    total = sum(one.size_bytes for one in held) + needed
    freed = sum(one.size_bytes for one in clearing.remove)
    if clearing.short_bytes:
        assert not clearing.remove
        may_go = sum(one.size_bytes for one in held if one.kept is None)
        assert total - may_go - quota == clearing.short_bytes
    else:
        assert total - freed <= quota


@given(held_models, sizes, sizes)
def test_what_is_kept_stays(held: list[Held], needed: int, quota: int) -> None:
    assert all(one.kept is None for one in plan_clearing(held, needed, quota).remove)


@given(held_models, sizes, sizes)
def test_the_least_recently_used_go_first_and_no_more_than_needed(
    held: list[Held], needed: int, quota: int
) -> None:
    remove = plan_clearing(held, needed, quota).remove
    stay = [one for one in held if one.kept is None and one.size_bytes and one not in remove]
    assert all(gone.used_at <= one.used_at for gone in remove for one in stay)
    if remove:
        without_last = sum(one.size_bytes for one in remove[:-1])
        assert sum(one.size_bytes for one in held) + needed - without_last > quota


@given(held_models, sizes)
def test_within_the_quota_nothing_goes(held: list[Held], needed: int) -> None:
    quota = sum(one.size_bytes for one in held) + needed
    assert plan_clearing(held, needed, quota).remove == ()
