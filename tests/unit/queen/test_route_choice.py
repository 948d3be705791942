"""Which way to a worker: what is used when, and when the direct way is tried again."""

import ipaddress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.queen.routes.choice import (
    JITTER,
    RETRY_FIRST_S,
    RETRY_MAX_S,
    Direct,
    Place,
    attempts,
    candidates,
    due,
    failed,
    goes_plain,
    route,
    seen,
    succeeded,
)

PLACE = Place(hive_id="h", worker_id="w", generation=1, port=9000, secret="s3cret")


def known(**more: object) -> Direct:
    return msgspec.structs.replace(Direct(place=PLACE, addresses=("10.0.0.2",)), **more)


@pytest.mark.parametrize(
    ("direct", "linked", "way"),
    [
        (None, False, None),
        (None, True, "tunnel"),
        (known(), True, "tunnel"),
        (known(), False, None),
        (known(address="10.0.0.2"), True, "direct"),
        (known(address="10.0.0.2"), False, "direct"),
        (known(address="10.0.0.2", plain=True), True, "plain"),
    ],
)
def test_a_way_is_used_once_it_is_proved_and_the_tunnel_until_then(
    direct: Direct | None, linked: bool, way: str | None
) -> None:
    assert route(direct=direct, linked=linked) == way


@pytest.mark.parametrize(
    ("advertised", "from_", "tried"),
    [
        ("10.0.0.2", "10.0.0.2", ("10.0.0.2",)),
        ("10.0.0.2", "203.0.113.9", ("10.0.0.2", "203.0.113.9")),
        ("bee.lan", None, ("bee.lan",)),
        ("127.0.0.1", "10.0.0.2", ("10.0.0.2",)),
        ("localhost", None, ()),
        ("::", "::1", ()),
        ("::ffff:127.0.0.1", None, ()),
        ("224.0.0.1", None, ()),
        (None, None, ()),
    ],
)
def test_only_addresses_that_mean_that_machine_are_tried(
    advertised: str | None, from_: str | None, tried: tuple[str, ...]
) -> None:
    assert candidates(advertised, from_) == tried


def test_another_process_is_proved_anew_and_the_same_one_is_not() -> None:
    proved = succeeded(known(), "10.0.0.2", plain=False)
    assert seen(proved, PLACE, ("10.0.0.2",), 5.0) is proved
    assert seen(proved, PLACE, (), 5.0) is proved  # its hive is gone, its link with it
    newer = msgspec.structs.replace(PLACE, generation=2)
    assert seen(proved, newer, ("10.0.0.2",), 5.0) == Direct(
        place=newer, addresses=("10.0.0.2",), try_at=5.0
    )
    assert "s3cret" not in repr(proved)


def test_a_new_address_is_tried_at_once_and_an_old_one_keeps_its_pause() -> None:
    waiting = failed(known(), "refused", 10.0, 0.5)
    assert seen(waiting, PLACE, ("10.0.0.2",), 11.0) is waiting
    moved = seen(waiting, PLACE, ("10.0.0.9",), 11.0)
    assert (moved.addresses, moved.try_at, moved.failures) == (("10.0.0.9",), 11.0, 0)


@given(st.integers(0, 200), st.floats(0, 1))
def test_pauses_grow_to_a_minute_and_never_beyond(failures: int, spread: float) -> None:
    after = failed(known(failures=failures), "no", 100.0, spread)
    pause_s = after.try_at - 100.0
    assert after.address is None
    assert after.failures == failures + 1
    assert 0.99 * RETRY_FIRST_S * (1 - JITTER) <= pause_s <= 1.01 * RETRY_MAX_S * (1 + JITTER)


def test_a_use_that_fails_takes_the_proof_away() -> None:
    after = failed(succeeded(known(), "10.0.0.2", plain=False), "reset", 10.0, 0.5)
    assert route(direct=after, linked=True) == "tunnel"
    assert after.why == "reset"


def test_who_has_waited_longest_is_tried_first_and_only_so_many_at_once() -> None:
    some = [known(try_at=at) for at in (9.0, 3.0, 11.0, 5.0)]
    some.append(known(address="10.0.0.2"))
    assert [one.try_at for one in due(some, 10.0, 2)] == [3.0, 5.0]
    assert due(some, 10.0, 0) == []


def test_plain_is_for_addresses_of_declared_networks_and_for_no_name() -> None:
    trusted = [ipaddress.ip_network("10.8.0.0/24"), ipaddress.ip_network("fd00::/8")]
    assert goes_plain("10.8.0.7", trusted)
    assert goes_plain("fd00::7", trusted)
    assert not goes_plain("10.9.0.7", trusted)
    assert not goes_plain("bee.lan", trusted)
    assert not goes_plain("10.8.0.7", [])


def test_plain_is_tried_first_where_it_may_be_and_tls_everywhere() -> None:
    trusted = [ipaddress.ip_network("10.8.0.0/24")]
    both = ("10.8.0.7", "192.168.1.7")
    assert attempts(both, trusted, has_certificate=True) == [
        ("10.8.0.7", True),
        ("10.8.0.7", False),
        ("192.168.1.7", False),
    ]
    assert attempts(both, trusted, has_certificate=False) == [("10.8.0.7", True)]
    assert attempts(both, [], has_certificate=False) == []
