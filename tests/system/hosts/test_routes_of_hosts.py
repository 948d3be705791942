"""The ways to workers on other hosts: direct over TLS once proved, else the tunnel, unseen."""

from collections.abc import Generator
from contextlib import contextmanager

from rbee.testing.hosts import Host, Lan
from rbee.testing.hosts.colony import HostColony, expected
from rbee.testing.waiting import until_now

TOKENS = 40
EVERY_S = 0.1


def way(colony: HostColony, hive: str) -> str | None:
    """How requests for this hive's one worker go now."""
    rows = colony.glance().of(hive)
    assert len(rows) == 1, [row.worker for row in rows]
    return rows[0].route


def with_worker(colony: HostColony, hive: str) -> HostColony:
    """Have the hive's model answered once: then it has a worker."""
    colony.wait_up(hive)
    assert colony.say(f"scripted-{hive}") == expected("hello")
    return colony


@contextmanager
def firewall(host: Host, port: int) -> Generator[None]:
    """Nothing comes in at this port, and nobody is told."""
    host.run(["nft", "add table inet fw"])
    host.run(["nft", "add chain inet fw in { type filter hook input priority 0; }"])
    host.run(["nft", f"add rule inet fw in iif != lo tcp dport {port} drop"])
    try:
        yield
    finally:
        host.run(["nft", "delete table inet fw"])


def test_a_direct_stream_goes_on_when_its_hive_is_killed(lan: Lan) -> None:
    colony = HostColony(lan)
    hive = colony.hive("h1")
    with_worker(colony, "h1")
    until_now(lambda: way(colony, "h1") == "direct")
    talk = colony.talk("scripted-h1", tokens=TOKENS, every_s=EVERY_S)
    until_now(lambda: len(talk.pieces) > TOKENS // 4)
    hive.kill()
    assert talk.finish() == expected(talk.prompt, TOKENS)
    assert "continuing" not in colony.queen.said
    assert colony.say("scripted-h1") == expected("hello")  # and new ones come, without a hive
    assert way(colony, "h1") == "direct"
    before = hive.workers()
    hive.start(wait=False)
    colony.wait_up("h1")
    assert hive.workers() == before  # the next hive finds it, with its door
    until_now(lambda: way(colony, "h1") == "direct")


def test_a_hive_behind_nat_is_reached_through_its_link_alone(lan: Lan) -> None:
    colony = HostColony(lan)
    far = colony.hive("far", behind="home")
    with_worker(colony, "far")
    (worker,) = colony.glance().of("far")
    assert (worker.route, worker.worker.tls_port) == ("tunnel", None)
    listening = far.host.run(["ss", "-ltnH"]).stdout.splitlines()
    assert listening
    assert all(line.split()[3].startswith(("127.0.0.", "[::1]")) for line in listening)


def test_a_direct_way_that_closes_costs_no_request_and_comes_back(lan: Lan) -> None:
    colony = HostColony(lan)
    hive = colony.hive("h1")
    with_worker(colony, "h1")
    until_now(lambda: way(colony, "h1") == "direct")
    (worker,) = colony.glance().of("h1")
    assert worker.worker.tls_port is not None
    with firewall(hive.host, worker.worker.tls_port):
        assert colony.say("scripted-h1") == expected("hello")
        until_now(lambda: way(colony, "h1") == "tunnel")
        assert colony.say("scripted-h1") == expected("hello")
    until_now(lambda: way(colony, "h1") == "direct", within_s=30)
    assert "worker gone" not in colony.queen.said


def test_the_workers_door_is_for_the_queen_alone(lan: Lan) -> None:
    colony = HostColony(lan)
    hive = colony.hive("h1")
    with_worker(colony, "h1")
    (worker,) = colony.glance().of("h1")
    door = f"{hive.host.address}:{worker.worker.tls_port}"
    plain = colony.laptop.run(["curl", "-s", "-m", "3", f"http://{door}/health"], check=False)
    assert "TLS" in plain.stdout
    for more in ([], ["--cert", "/dev/null"]):
        words = ["curl", "-sk", "-m", "3", *more, f"https://{door}/health"]
        assert colony.laptop.run(words, check=False).returncode != 0
    assert colony.laptop.open_ports(hive.host.address) <= {7835, worker.worker.tls_port}
