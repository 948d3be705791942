"""What befalls the lines between hosts: no worker dies of it, nothing is spawned twice, streams go on."""

import contextlib
import time
from collections.abc import Generator

import pytest

from rbee.testing.hosts.colony import HostColony, Talk, expected
from rbee.testing.waiting import until_now

HIVES = ("hive-1", "hive-2", "far")
RIGHT_WITHIN_S = 5.0  # of the healing
CUT_S = 6.5  # longer than a link's patience (5 s), shorter than a hive is down (10 s)
HUNG_S = 20.0
EVERY_S = 0.05

pytestmark = pytest.mark.system


@contextlib.contextmanager
def unharmed(three: HostColony) -> Generator[None]:
    """Nothing died and nothing was started in this block, on any host."""
    before = three.workers()
    assert all(before.values())
    spawned = {name: hive.said.count("on=spawn") for name, hive in three.hives.items()}
    yield
    assert three.workers() == before
    assert spawned == {name: hive.said.count("on=spawn") for name, hive in three.hives.items()}


def talks(three: HostColony, for_s: float) -> dict[str, Talk]:
    """A stream from each hive, begun."""
    tokens = round(for_s / EVERY_S)
    begun = {name: three.talk(f"scripted-{name}", tokens=tokens, every_s=EVERY_S) for name in HIVES}
    until_now(lambda: all(talk.pieces for talk in begun.values()), within_s=30)
    return begun


def right_again(three: HostColony, begun: dict[str, Talk], healed_s: float) -> None:
    """Within some seconds all hives are well, answer anew, and open streams go on."""
    within_s = healed_s + RIGHT_WITHIN_S - time.monotonic()
    until_now(lambda: three.glance().up() >= set(HIVES), within_s=within_s)
    for name in HIVES:
        assert three.say(f"scripted-{name}") == expected("hello")
    for talk in begun.values():
        within_s = max(0.1, healed_s + RIGHT_WITHIN_S - time.monotonic())
        until_now(lambda talk=talk: talk.done or talk.pieces[-1][0] > healed_s, within_s=within_s)
    assert time.monotonic() - healed_s < RIGHT_WITHIN_S


def whole(begun: dict[str, Talk], for_s: float) -> None:
    """Every stream ends with every token once."""
    for talk in begun.values():
        assert talk.finish() == expected(talk.prompt, round(for_s / EVERY_S))


# hive → (one way?, towards the queen?): each hive meets each kind of cut in turn.
CUTS = [
    {"hive-1": "both", "hive-2": "from the hive", "far": "from the queen"},
    {"hive-1": "from the queen", "hive-2": "both", "far": "from the hive"},
    {"hive-1": "from the hive", "hive-2": "from the queen", "far": "both"},
]


@pytest.mark.parametrize("cuts", CUTS, ids=["1", "2", "3"])
def test_a_partition_heals(three: HostColony, cuts: dict[str, str]) -> None:
    queen = three.queen.host
    with unharmed(three):
        begun = talks(three, for_s=CUT_S + 4)
        with contextlib.ExitStack() as faults:
            for name, kind in cuts.items():
                host = three.hives[name].host
                ends = (queen, host) if kind == "from the queen" else (host, queen)
                faults.enter_context(three.lan.cut(*ends, one_way=kind != "both"))
            time.sleep(CUT_S)  # the fault itself
        right_again(three, begun, time.monotonic())
        whole(begun, CUT_S + 4)


def test_lossy_slow_and_narrow_lines_are_lived_with(three: HostColony) -> None:
    hosts = [three.hives[name].host for name in HIVES]
    with unharmed(three):
        begun = talks(three, for_s=6)
        with (
            three.lan.loss(0.1, hosts[0]),
            three.lan.delay(0.15, hosts[1], jitter_s=0.02),
            three.lan.rate(1, hosts[2]),
        ):
            for name in HIVES:
                assert three.say(f"scripted-{name}") == expected("hello")
            whole(begun, 6)
            assert three.glance().up() >= set(HIVES)
        right_again(three, {}, time.monotonic())


def test_a_queen_that_hung_for_a_while_finds_all_as_it_was(three: HostColony) -> None:
    with unharmed(three):
        begun = talks(three, for_s=HUNG_S + 5)
        three.queen.hang()
        time.sleep(HUNG_S)  # the fault itself
        three.queen.go_on()
        right_again(three, begun, time.monotonic())
        whole(begun, HUNG_S + 5)
