"""Which addresses a hive tells, opens and refuses."""

from pathlib import Path

import pytest

from rbee.errors import BadSettings
from rbee.hive.address import (
    IDENTITY_FILES,
    advertised,
    check_addresses,
    colony_address,
    is_here,
    nobody_here,
    outside_of,
    url_of,
)
from rbee.hive.settings import HiveSettings

FAR = "https://192.168.1.10:7833"
HERE = "http://localhost:7833"
OURS = "192.168.1.20"


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    for name in IDENTITY_FILES:
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("url", "here"),
    [
        (HERE, True),
        ("http://127.0.0.1:7833", True),
        ("http://[::1]:7833", True),
        ("http://0.0.0.0:7833", True),
        (FAR, False),
        ("http://queen.lan:7833", False),
    ],
)
def test_localhost_is_whoever_reads_it(url: str, here: bool) -> None:
    assert is_here(url) == here
    assert (nobody_here(url) is not None) == here


def test_a_queen_elsewhere_gets_a_door_at_the_address_on_her_side(identity: Path) -> None:
    found = outside_of(HiveSettings(trusted_networks=["10.8.0.0/24"]), FAR, OURS, identity)
    assert found is not None
    assert (found.host, found.identity, found.trust) == (OURS, identity, ("10.8.0.0/24",))
    bound = outside_of(HiveSettings(bind="192.168.1.21"), FAR, OURS, identity)
    assert bound is not None
    assert bound.host == "192.168.1.21"


@pytest.mark.parametrize(
    ("settings", "queen", "ours"),
    [
        (HiveSettings(), HERE, OURS),
        (HiveSettings(outbound_only=True), FAR, OURS),
        (HiveSettings(), FAR, "127.0.0.1"),
        (HiveSettings(), FAR, "192.168.1.10"),
    ],
    ids=["a queen of this machine", "outbound only", "no network", "her own address"],
)
def test_nothing_is_opened_without_need(
    settings: HiveSettings, queen: str, ours: str, identity: Path
) -> None:
    assert outside_of(settings, queen, ours, identity) is None


def test_nothing_is_opened_before_a_queen_was_joined(tmp_path: Path) -> None:
    assert outside_of(HiveSettings(), FAR, OURS, tmp_path) is None


def test_a_hive_that_joined_is_not_told_that_its_queen_is_here() -> None:
    with pytest.raises(BadSettings, match="this very machine") as refused:
        check_addresses(HiveSettings(), HERE, FAR)
    assert FAR in refused.value.remedy
    check_addresses(HiveSettings(), HERE, None)
    check_addresses(HiveSettings(), HERE, HERE)
    check_addresses(HiveSettings(), FAR, FAR)


def test_a_far_queen_is_not_told_her_own_machine() -> None:
    with pytest.raises(BadSettings, match="her own machine"):
        check_addresses(HiveSettings(advertise="127.0.0.1"), FAR, None)
    check_addresses(HiveSettings(advertise="127.0.0.1"), HERE, None)
    check_addresses(HiveSettings(advertise=OURS), FAR, None)


def test_the_url_is_one_that_the_queen_can_use_or_none() -> None:
    assert url_of(FAR, OURS, 7835) == f"http://{OURS}:7835"
    assert url_of(FAR, "fd00::2", 7835) == "http://[fd00::2]:7835"
    assert url_of(HERE, "127.0.0.1", 7835) == "http://127.0.0.1:7835"
    assert url_of(FAR, "127.0.0.1", 7835) == ""
    assert url_of(FAR, OURS, 0) == ""


def test_what_is_set_is_advertised_as_it_is() -> None:
    assert advertised(HiveSettings(advertise="bee.lan", bind="192.168.1.21")) == "bee.lan"
    assert advertised(HiveSettings(bind="192.168.1.21")) == "192.168.1.21"
    assert advertised(HiveSettings()) == "127.0.0.1"


def test_a_queen_whom_nobody_knows_leaves_the_default_way() -> None:
    assert colony_address("https://nobody.invalid:7833") == colony_address(HERE)
