"""Three hives on hosts of their own, one behind a NAT: all answer, and nothing is open that should not be."""

import re
from pathlib import Path

import httpx2
import pytest

from rbee.foundation.http.tls import identity_context
from rbee.testing.hosts.colony import HostColony, Talk, expected
from rbee.testing.waiting import until_now
from wire.table import ROUTES

HIVES = ("hive-1", "hive-2", "far")
QUEEN_PORT, PAGES_PORT, HIVE_PORT, WORKER_PORT = 7833, 7834, 7835, 9000

OPEN = {
    ("GET", "/"),  # the console's page: the same bytes as in every wheel, then a sign-in
    ("GET", "/health"),
    ("GET", "/v1/hive/ca"),
    ("POST", "/v1/hive/join"),
    ("POST", "/v1/session"),
}
"""What answers without a key, because it is how one gets in."""

pytestmark = pytest.mark.system


def routes(three: HostColony) -> dict[str, str | None]:
    return {row.hive_id: row.route for row in three.glance().workers if row.hive_id in HIVES}


def test_every_hive_answers_by_its_best_way(three: HostColony) -> None:
    wanted = {"hive-1": "direct", "hive-2": "direct", "far": "tunnel"}
    until_now(lambda: routes(three) == wanted)
    for name in HIVES:
        assert three.say(f"scripted-{name}", "who are you?") == expected("who are you?")
        talk = three.talk(f"scripted-{name}", tokens=40, every_s=0.01)
        assert talk.finish() == expected(talk.prompt, 40)
    assert routes(three) == wanted


def test_a_real_engine_answers_from_behind_a_nat(three: HostColony, starter_path: Path) -> None:
    hive = three.hive("real", behind="real-home", model=starter_path.parent, scripted_engine=0)
    try:
        three.wait_up("real")
        prompt = "Write one sentence about bees."
        assert three.say("starter", prompt)
        talk = Talk(three, "starter", prompt, tokens=24)
        assert talk.finish().strip()
        assert len(talk.pieces) > 4, "it came in pieces"
        ways = {row.hive_id: row.route for row in three.glance().of("real")}
        assert ways == {"real": "tunnel"}
    finally:
        hive.stop()
        del three.hives["real"]


def test_a_scan_from_another_host_sees_what_is_meant_to_be_seen(three: HostColony) -> None:
    until_now(lambda: routes(three)["hive-1"] == "direct")
    seen = {
        name: three.laptop.open_ports(host.address)
        for name, host in [("queen", three.queen.host)]
        + [(name, three.hives[name].host) for name in ("hive-1", "hive-2")]
    }
    glance = three.glance()
    doors = {
        name: {row.worker.tls_port for row in glance.of(name)} for name in ("hive-1", "hive-2")
    }
    assert WORKER_PORT in doors["hive-1"]
    assert seen == {
        "queen": {QUEEN_PORT, PAGES_PORT},
        "hive-1": {HIVE_PORT} | doors["hive-1"],
        "hive-2": {HIVE_PORT} | doors["hive-2"],
    }
    # Seen from its own network: nothing of a hive that is outbound-only listens, loopback apart.
    neighbour = three.lan.host("neighbour", behind="home")
    far = three.hives["far"].host
    assert neighbour.open_ports(far.address) == set()
    assert not three.laptop.reaches(far.seen_as, HIVE_PORT)


def test_a_workers_port_takes_nobody_but_the_queen(three: HostColony) -> None:
    until_now(lambda: routes(three)["hive-1"] == "direct")
    address = three.hives["hive-1"].host.address
    plain = three.laptop.ask(f"http://{address}:{WORKER_PORT}/v1/models")
    assert plain.status_code in {400, 403}
    assert "scripted" not in plain.text
    url = f"https://{address}:{WORKER_PORT}/v1/models"
    # TLS 1.3: who has no certificate is told so after its own handshake.
    with (
        three.laptop.network(),
        three.http(expects="rbee://") as http,
        pytest.raises(httpx2.TransportError),
    ):
        http.get(url)
    # Another hive has a certificate of the colony; it is not the queen's.
    identity = three.hives["hive-2"].data / "hive" / "identity"
    context = identity_context(identity, expects="rbee://hive/hive-1")
    assert context is not None
    with (
        three.hives["hive-2"].host.network(),
        httpx2.Client(verify=context) as http,
        pytest.raises(httpx2.TransportError),
    ):
        http.get(url)


def test_no_route_answers_without_a_key(three: HostColony) -> None:
    for server, host, port in (
        ("queen", three.queen.host, QUEEN_PORT),
        ("hive", three.hives["hive-1"].host, HIVE_PORT),
        ("hive", three.hives["hive-2"].host, HIVE_PORT),
    ):
        walked = {(route.method, route.path) for route in ROUTES if route.server == server}
        assert len(walked) > 10
        with three.laptop.network(), three.http(key=None, expects="rbee://") as http:
            answers = {
                (method, path): http.request(
                    method, f"https://{host.address}:{port}{re.sub('[{}]', '', path)}"
                ).status_code
                for method, path in walked
            }
        left_open = {
            asked: status
            for asked, status in answers.items()
            if status != httpx2.codes.UNAUTHORIZED and asked not in OPEN
        }
        assert not left_open, host


def test_plain_http_from_another_host_is_refused_with_the_remedy(three: HostColony) -> None:
    plain = three.laptop.ask(f"http://{three.queen.host.address}:{QUEEN_PORT}/v1/info")
    assert plain.status_code == 403
    assert "trusted_networks" in plain.text
