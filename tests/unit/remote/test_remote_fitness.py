"""What a machine lacks is found before anything is changed there, and told with a way out."""

import sys

import msgspec
import pytest

from rbee.remote.facts import Facts, Way
from rbee.remote.fitness import DISK_MIN_KIB, Wish, candidates, check_versions, choose, route
from rbee.remote.layout import Keeper
from rbee.remote.troubles import HostError, HostUnfit, NoRouteBack, VersionSkew
from unit.remote.machines import PYTHON, machine

OLD = msgspec.structs.replace(PYTHON, path="/usr/bin/python3", version=(3, 9, 2), venv=False)
BARE = msgspec.structs.replace(PYTHON, venv=False)


@pytest.mark.parametrize(
    ("facts", "wish", "keeper"),
    [
        (machine(), "auto", "system"),
        (machine(sudo="root", user_systemd=False), "auto", "system"),
        (machine(sudo="password"), "auto", "user"),
        (machine(sudo="absent"), "auto", "user"),
        (machine(sudo="password", user_systemd=False), "auto", "process"),
        (machine(systemd=False, user_systemd=False), "auto", "process"),
        (machine(), "user", "user"),
        (machine(), "process", "process"),
    ],
)
def test_who_starts_the_hive(facts: Facts, wish: Wish, keeper: Keeper) -> None:
    found = choose(facts, wish, "box")
    assert found.keeper == keeper
    assert bool(found.notes) == (keeper not in {"system", wish} or keeper == "process")


@pytest.mark.parametrize(
    ("facts", "wish", "what", "way_out"),
    [
        (machine(pythons=()), "auto", "no Python 3.11 or newer.", "--python"),
        (machine(pythons=(OLD,)), "auto", "only 3.9.2 at /usr/bin/python3", "--python"),
        (machine(pythons=(OLD, BARE)), "auto", "without its module `venv`", "python3-venv"),
        (machine(disk_free_kib=DISK_MIN_KIB - 1), "auto", "MiB free", "--prefix"),
        (machine(system="Windows_NT"), "auto", "runs Windows_NT", "rbee hive join"),
        (machine(sudo="password"), "system", "asks ada for a password", "NOPASSWD"),
        (machine(sudo="absent"), "system", "there is no sudo for ada", "--unit user"),
        (machine(systemd=False), "system", "not started by systemd", "--unit process"),
        (machine(user_systemd=False), "user", "own systemd does not answer", "enable-linger"),
    ],
)
def test_what_is_missing_has_its_own_words(
    facts: Facts, wish: Wish, what: str, way_out: str
) -> None:
    with pytest.raises(HostUnfit) as caught:
        choose(facts, wish, "box")
    assert what in caught.value.message
    assert "box" in caught.value.message
    assert way_out in caught.value.remedy


def test_our_own_python_version_goes_first_then_the_newest() -> None:
    newest = msgspec.structs.replace(PYTHON, path="/opt/python", version=(3, 99, 0))
    assert choose(machine(pythons=(OLD, newest)), "auto", "box").python == newest
    ours = msgspec.structs.replace(PYTHON, path="/ours", version=_running())
    assert choose(machine(pythons=(newest, ours)), "auto", "box").python == ours


def _running() -> tuple[int, int, int]:
    return (sys.version_info.major, sys.version_info.minor, sys.version_info.micro)


@pytest.mark.parametrize(
    ("named", "known", "client", "tried"),
    [
        (None, "http://localhost:7833", "10.0.0.2", ["http://10.0.0.2:7833"]),
        (None, "http://127.0.0.1:9", "fd00::2", ["http://[fd00::2]:9"]),
        (None, "http://queen.lan:7833", "10.0.0.2", ["http://queen.lan:7833"]),
        (None, "http://localhost:7833", None, ["http://localhost:7833"]),
        ("https://q:1", "http://localhost:7833", "10.0.0.2", ["https://q:1"]),
    ],
)
def test_the_queen_is_looked_for_where_that_machine_may_see_her(
    named: str | None, known: str, client: str | None, tried: list[str]
) -> None:
    assert candidates(named, known, client) == tried


def test_no_way_back_says_what_was_tried() -> None:
    ways = [Way(url="http://10.0.0.2:7833", reached=False, said="refuses the connection")]
    with pytest.raises(NoRouteBack) as caught:
        route(ways, "box", named=False)
    assert "http://10.0.0.2:7833 refuses the connection" in caught.value.message
    assert "--bind 0.0.0.0" in caught.value.remedy
    assert "--queen URL" in caught.value.remedy
    assert route([*ways, Way(url="u", reached=True, said="")], "box", named=False) == "u"


@pytest.mark.parametrize(
    ("queen", "there", "what"),
    [("0.2.0", None, "The queen is version 0.2.0"), ("0.1.0", "0.10.0", "newer than")],
)
def test_versions_are_not_mixed(queen: str | None, there: str | None, what: str) -> None:
    with pytest.raises(VersionSkew, match=what):
        check_versions("0.1.0", queen, there, "box")


def test_the_same_and_older_versions_are_no_skew() -> None:
    check_versions("0.2.0", "0.2.0", "0.1.9", "box")
    check_versions("0.2.0", None, None, "box")


def test_every_trouble_has_a_remedy() -> None:
    kinds = HostError.__subclasses__()
    assert len(kinds) >= 7
    assert all(kind("x").remedy.endswith(".") for kind in kinds)
