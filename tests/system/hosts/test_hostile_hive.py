"""A member of the colony that means harm: it has a certificate of its own and no more power than that."""

import contextlib
import json
import secrets
import ssl
import struct
from collections.abc import Generator
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from rbee.foundation.http.tls import colony_context, identity_context
from rbee.foundation.mux import frames
from rbee.testing.hosts import Host
from rbee.testing.hosts.colony import KEY, HostColony, expected
from rbee.testing.waiting import until_now

ANSWER_WITHIN_S = 10.0
HIVE_PORT = 7835
REFUSED = {httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN}

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def mallory(three: HostColony) -> Host:
    """A host whose machine joined as ``mallory``; no hive of ours runs there."""
    host = three.lan.host("mallory")
    words = ["hive", "join", three.url, "--token", "-"]
    host.rbee(*words, input=three.token("mallory") + "\n", env={"RBEE_HIVE_HIVE_ID": "mallory"})
    return host


def context_of(host: Host) -> ssl.SSLContext:
    """What the machine got when it joined."""
    identity = host.home / ".local/share/rbee/hive/identity"
    context = identity_context(identity, expects="rbee://queen")
    assert context is not None
    return context


@contextlib.contextmanager
def link(
    three: HostColony, host: Host, *, tls: ssl.SSLContext | None = None, key: str | None = None
) -> Generator[ClientConnection]:
    """A WebSocket at the queen's link door, before the first message."""
    with (
        host.network(),
        connect(
            three.url.replace("https:", "wss:") + "/v1/hive/link",
            ssl=tls or context_of(host),
            additional_headers={} if key is None else {"Authorization": f"Bearer {key}"},
            open_timeout=ANSWER_WITHIN_S,
            proxy=None,
        ) as socket,
    ):
        yield socket


def hello(hive_id: str, **more: object) -> bytes:
    said = {"version": frames.VERSION, "hive_id": hive_id, "session": secrets.token_hex(16)}
    return frames.head(frames.HELLO) + json.dumps(said | more).encode()


def beat(hive_id: str, **more: object) -> dict[str, Any]:
    info = {"id": hive_id, "hostname": hive_id, "address": "10.77.0.99", "port": 7835}
    return {
        "hive_id": hive_id,
        "hive_info": {**info, "version": "0.1.0"},
        "node": {},
        "workers": [],
        "timestamp": 0.0,
        **more,
    }


def framed(said: object) -> bytes:
    return frames.head(frames.BEAT, 1) + json.dumps(said).encode()


def closes(socket: ClientConnection, *messages: bytes) -> None:
    """Send these, and read until the queen has closed the connection.

    Raises:
        ConnectionClosed: she has.
        TimeoutError: she has not.
    """
    for message in messages:
        socket.send(message)
    while True:
        socket.recv(ANSWER_WITHIN_S)


def refused(socket: ClientConnection, *messages: bytes) -> None:
    """Whatever of this is wrong, the queen closes the connection."""
    with pytest.raises(ConnectionClosed):
        closes(socket, *messages)


def unharmed(three: HostColony) -> None:
    assert three.glance().up() >= {"hive-1", "hive-2", "far"}
    for name in ("hive-1", "hive-2", "far"):
        assert three.say(f"scripted-{name}") == expected("hello")


def test_its_certificate_speaks_for_its_own_id_alone(three: HostColony, mallory: Host) -> None:
    with link(three, mallory) as socket:
        refused(socket, hello("hive-1"))
    with link(three, mallory) as socket:
        refused(socket, hello("mallory"), framed(beat("hive-1")))
    with mallory.network(), httpx2.Client(verify=context_of(mallory)) as http:
        for path, body in (
            ("/v1/hive-heartbeat", beat("hive-1")),
            ("/v1/hive/ready", {"hive_id": "hive-1", "hive_url": "http://10.77.0.99:7835"}),
        ):
            assert http.post(f"{three.url}{path}", json=body).status_code == httpx2.codes.FORBIDDEN
    unharmed(three)


def test_the_colonys_key_speaks_for_no_member(three: HostColony) -> None:
    """Who stole the key still is not a hive that has a certificate."""
    with three.laptop.network(), three.http() as http:
        stolen = http.post("/v1/hive-heartbeat", json=beat("hive-1"))
        assert stolen.status_code == httpx2.codes.FORBIDDEN
    anonymous = colony_context(three.ca, expects="rbee://queen")
    with link(three, three.laptop, tls=anonymous, key=KEY) as socket:
        refused(socket, hello("hive-1"))
    with pytest.raises(InvalidStatus), link(three, three.laptop, tls=anonymous):
        pass
    unharmed(three)


def test_it_may_not_do_what_operators_do(three: HostColony, mallory: Host) -> None:
    with mallory.network(), httpx2.Client(verify=context_of(mallory)) as http:
        for method, path, body in (
            ("GET", "/v1/hives", None),
            ("POST", "/v1/join-tokens", {}),
            ("POST", "/v1/hives/hive-1/revoke", {}),
            ("POST", "/v1/join-requests/x/approve", {}),
            ("POST", "/v1/jobs", {"operation": "status"}),
            ("POST", "/v1/chat/completions", {"model": "scripted-hive-1", "messages": []}),
            ("GET", "/v1/models", None),
            ("GET", "/v1/keys", None),
        ):
            answer = http.request(method, f"{three.url}{path}", json=body)
            assert answer.status_code in REFUSED, (path, answer.text)


def test_another_hives_worker_stays_another_hives(three: HostColony, mallory: Host) -> None:
    theirs = three.glance().of("hive-1")[0].worker
    claimed = {
        "worker_id": theirs.worker_id,
        "model": theirs.model,
        "engine": theirs.engine,
        "status": "ready",
        "port": 9000,
        "device": "CPU-0",
        "address": "10.77.0.99",
        "slots_total": 64,
        "generation": 1000,
    }
    keys = {theirs.worker_id: "stolen-" + "0" * 32}
    with link(three, mallory) as socket:
        socket.send(hello("mallory"))
        for _ in range(3):
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                socket.send(framed(beat("mallory", workers=[claimed], worker_keys=keys)))
                socket.recv(ANSWER_WITHIN_S)
        # It may say so; the queen goes on asking the hive that she knows it from.
        assert [row.worker.worker_id for row in three.glance().of("hive-1")] == [theirs.worker_id]
        unharmed(three)


FRAMES = {
    "no frame": [b"\x01"],
    "an unknown kind": [frames.head(99) + b"x"],
    "data of a stream that is not": [frames.head(frames.DATA, 7) + b"x" * 16],
    "a stream opened by the hive": [frames.head(frames.OPEN, 2) + b"hive"],
    "a worker of another hive": [frames.head(frames.OPEN, 2) + b"worker:worker-1"],
    "too much credit": [frames.head(frames.CREDIT, 1) + struct.pack(">I", 0xFFFFFFFF)] * 3,
    "frames seen that never were": [frames.seen(1 << 60)],
    "data over the limit": [frames.head(frames.DATA, 1) + bytes(frames.DATA_BYTES_MAX + 1)],
    "a beat that is no JSON": [frames.head(frames.BEAT, 1) + b"{"],
    "a beat over the limit": [frames.head(frames.BEAT, 1) + bytes(frames.BEAT_BYTES_MAX + 1)],
    "a second hello": [hello("mallory")],
    "a huge message": [bytes(16 * 1024 * 1024)],
}


@pytest.mark.parametrize("what", FRAMES)
def test_what_it_may_not_say_ends_its_link(three: HostColony, mallory: Host, what: str) -> None:
    with link(three, mallory) as socket:
        socket.send(hello("mallory"))
        refused(socket, *FRAMES[what])
    unharmed(three)


def test_a_first_message_that_is_no_hello_ends_it(three: HostColony, mallory: Host) -> None:
    for first in (
        framed(beat("mallory")),
        hello("mallory", version=99),
        hello("mallory", session="../../etc"),
        frames.head(frames.HELLO) + b"[" * (frames.HELLO_BYTES_MAX + 1),
    ):
        with link(three, mallory) as socket:
            refused(socket, first)


def test_a_command_that_is_replayed_changes_nothing(three: HostColony) -> None:
    """Who could repeat the queen's own words, with her certificate, gets no second worker."""
    hive = three.hives["hive-2"]
    context = identity_context(three.queen.data / "queen" / "client", expects="rbee://hive/hive-2")
    assert context is not None
    epoch = json.loads((hive.data / "hive" / "epoch.json").read_text())["epoch"]
    url = f"https://{hive.host.address}:{HIVE_PORT}/v1/jobs"
    command = {
        "operation": "worker_spawn",
        "model": "scripted-once",
        "worker": "scripted",
        "command_id": "once",
        "epoch": epoch,
    }
    before = set(hive.workers())
    with three.queen.host.network(), httpx2.Client(verify=context) as http:
        for _ in range(3):
            assert http.post(url, json=command).is_success
        until_now(lambda: len(set(hive.workers()) - before) == 1, within_s=30)
        stale = http.post(url, json={**command, "command_id": "twice", "epoch": epoch - 1})
        events = stale.text
        if stale.is_success:
            job = stale.json()["job_id"]
            events = http.get(f"{url}/{job}/stream").text
        assert "stale_epoch" in events
    assert len(set(hive.workers()) - before) == 1


def test_shut_out_it_is_heard_no_more(three: HostColony) -> None:
    host = three.lan.host("leaver")
    words = ["hive", "join", three.url, "--token", "-"]
    host.rbee(*words, input=three.token("leaver") + "\n", env={"RBEE_HIVE_HIVE_ID": "leaver"})
    with link(three, host) as socket:
        socket.send(hello("leaver"))
        socket.recv(ANSWER_WITHIN_S)
        url = "http://127.0.0.1:7833/v1/hives/leaver/revoke"
        assert three.queen.host.ask(url, method="POST", key=KEY, body={}).is_success
        refused(socket)
    with pytest.raises((InvalidStatus, ConnectionClosed, OSError)), link(three, host):
        pass
    token = three.token("leaver")
    assert token not in three.queen.said
    unharmed(three)
