"""Hosts of one network find each other by mDNS: a queen who announces herself, hives without one."""

import pytest

from rbee.testing.hosts import Daemon, Lan
from rbee.testing.hosts.colony import KEY, PORT, HostColony
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

FOUND_WITHIN_S = 40.0  # 5 s of patience, 3 s of looking, and two busy cores


def _waiting(colony: HostColony) -> dict[str, str]:
    answer = colony.queen.host.ask(f"http://127.0.0.1:{PORT}/v1/join-requests", key=KEY)
    return {row["hive_id"]: row["code"] for row in answer.json()["requests"]}


def test_a_hive_without_a_queen_finds_one_and_is_let_in_by_its_code(lan: Lan) -> None:
    colony = HostColony(lan)
    until_now(lambda: "announced" in colony.queen.said)
    finder = Daemon(lan.host("finder"), "hive", scripted_engine=1).start(wait=False)
    until_now(lambda: "finder" in _waiting(colony), within_s=FOUND_WITHIN_S)
    code = _waiting(colony)["finder"]
    assert code in finder.said
    assert colony.glance().hives == {}
    colony.queen.host.rbee("hive", "approve", "finder", "--code", code, env={"RBEE_API_KEY": KEY})
    colony.hives["finder"] = finder
    colony.wait_up("finder")
    # And the command finds her too, without an address.
    other = lan.host("other")
    done = other.rbee("hive", "join", "--token", "-", input=colony.token("other") + "\n")
    assert f"https://{colony.queen.host.address}:{PORT}" in done.stdout


def test_two_queens_are_one_too_many(lan: Lan) -> None:
    colony = HostColony(lan)
    rival = Daemon(lan.host("rival"), "queen", key="another-key-0123456789", bind="0.0.0.0").start()  # noqa: S104  a host of its own
    until_now(lambda: "announced" in colony.queen.said and "announced" in rival.said)
    torn = Daemon(lan.host("torn"), "hive", scripted_engine=1).start(wait=False)
    until_now(lambda: "several queens here" in torn.said, within_s=FOUND_WITHIN_S)
    assert _waiting(colony) == {}
    done = lan.host("other").rbee("hive", "join", check=False)
    assert done.returncode == 1
    assert "2 queens announce themselves" in done.stderr
