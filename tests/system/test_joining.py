"""A real queen with TLS, real hives and the real command: joining, speaking, renewal, revocation."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import msgspec
import pytest

from rbee.client.joining import JoiningClient
from rbee.client.queen import QueenClient
from rbee.contracts.hives import Heartbeat, HiveInfo, HiveReady, NodeStats
from rbee.contracts.joining import ColonyCa, JoinRequest, JoinTokenWish, MemberAck
from rbee.errors import Forbidden, QueenUnreachable, RateLimited, RbeeError, UntrustedPeer
from rbee.foundation.http.tls import QUEEN, identity_context
from rbee.foundation.identity.authority import make_authority
from rbee.foundation.identity.folder import load_identity, save_identity
from rbee.foundation.identity.keys import make_key
from rbee.foundation.identity.requests import make_request
from rbee.hive.joining.renewal import Renewal
from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.waiting import until_now
from system.impostor import Impostor

pytestmark = pytest.mark.system

KEY = "the-colony-key-of-this-test-0123456789"
EVERYWHERE = "0.0.0.0"  # noqa: S104  the queen has a key, and it is what is tested
COMMAND_S = 30.0  # a command takes a second


class Rig:
    """A queen on all addresses, and commands on either side."""

    def __init__(self, colony: Colony) -> None:
        self.colony = colony
        self.queen = colony.queen(bind=EVERYWHERE)
        self.plain = f"http://127.0.0.1:{self.queen.port}"
        self.url = f"https://127.0.0.1:{self.queen.port}"

    def operator(self, *words: str) -> str:
        return _rbee(self.queen.env | {"RBEE_QUEEN_URL": self.plain}, *words)

    def member(self, name: str, *words: str, token: str | None = None) -> str:
        """A command on the machine of a hive, which has no key of the colony."""
        return _rbee(self.machine(name), *words, said=token)

    def machine(self, name: str) -> dict[str, str]:
        hive = self.colony.hive(name, start=False)
        return {key: value for key, value in hive.env.items() if key != "RBEE_API_KEY"}

    def ask(self, path: str, body: object = None) -> Any:  # noqa: ANN401  whatever JSON holds
        """As an operator, without the second that a command takes to start."""
        answer = httpx2.request(
            "GET" if body is None else "POST",
            f"{self.plain}{path}",
            json=body,
            headers={"authorization": f"Bearer {KEY}"},
            timeout=COMMAND_S,
        )
        return answer.raise_for_status().json()

    def token(self, *hive_ids: str) -> str:
        return self.ask("/v1/join-tokens", {"hive_ids": list(hive_ids)})["token"]

    def join(self, name: str, *words: str) -> Path:
        """Join as ``name`` with a new token; the folder of its identity."""
        self.member(name, "hive", "join", self.url, "--token", "-", *words, token=self.token())
        return Path(self.machine(name)["RBEE_DATA_DIR"]) / "hive" / "identity"

    def states(self) -> dict[str, tuple[str, str | None]]:
        rows = self.ask("/v1/hives")["hives"]
        return {row["hive_id"]: (row["membership"], row["state"]) for row in rows}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Colony(tmp_path_factory.mktemp("joining"), key=KEY) as colony:
        yield Rig(colony)


def _rbee(env: dict[str, str], *words: str, said: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rbee", *words],
        env=env,
        input=None if said is None else f"{said}\n",
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert "Traceback" not in done.stderr
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


def _hive(rig: Rig, name: str) -> DaemonUnderTest:
    """A hive without the colony's key, that was told nothing but its name."""
    hive = rig.colony.hive(name, start=False)
    for variable in ("RBEE_API_KEY", "RBEE_HIVE_QUEEN_URL"):
        hive.env.pop(variable, None)
    return hive


def _beat(name: str) -> Heartbeat:
    return Heartbeat(
        hive_id=name,
        hive_info=HiveInfo(id=name, hostname="h", address="127.0.0.1", port=1, version="0"),
        node=NodeStats(),
        workers=[],
        timestamp=time.time(),
    )


def _beat_over_tls(rig: Rig, folder: Path, name: str) -> None:
    async def send() -> None:
        tls = identity_context(folder, expects=QUEEN)
        assert tls is not None
        async with QueenClient(rig.url, tls=tls) as queen:
            await queen.beat(_beat(name))

    anyio.run(send)


def _ask(rig: Rig, name: str) -> int:
    body = {"model": f"scripted-{name}", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx2.post(
        f"{rig.plain}/v1/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {KEY}"},
        timeout=COMMAND_S,
    )
    return answer.status_code


def test_a_running_hive_follows_when_its_machine_joins_and_is_gone_when_revoked(rig: Rig) -> None:
    hive = _hive(rig, "follows")
    hive.env["RBEE_HIVE_SCRIPTED_MODELS"] = "scripted-follows"
    running = hive.start().process
    assert "follows" not in rig.states()
    rig.join("follows")
    until_now(lambda: rig.states().get("follows") == ("certificate", "fresh"))
    assert _ask(rig, "follows") == 200
    began = time.monotonic()
    ack = msgspec.json.decode(rig.operator("hive", "revoke", "follows", "--json"), type=MemberAck)
    assert ack.status == "revoked"
    assert rig.states()["follows"] == ("revoked", None)
    assert _ask(rig, "follows") == 404
    assert time.monotonic() - began < 10.0  # a command on a busy machine; silence takes 60
    until_now(lambda: "counts no longer" in hive.said)
    assert rig.states()["follows"] == ("revoked", None)
    rig.join("follows")
    until_now(lambda: rig.states()["follows"] == ("certificate", "fresh"))
    assert _ask(rig, "follows") == 200
    assert hive.process is running


def test_an_operator_approves_by_the_code_that_both_sides_show(rig: Rig) -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-m", "rbee", "hive", "join", rig.url],
        env=rig.machine("approved"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until_now(lambda: _waiting(rig, "approved") is not None)
        code = _waiting(rig, "approved")
        assert code is not None
        with pytest.raises(AssertionError, match="No hive"):
            rig.operator("hive", "approve", "approved", "--code", "AAAAAA")
        assert code in rig.operator("hive", "pending")
        rig.operator("hive", "approve", "approved", "--code", code)
        out, err = waiting.communicate(timeout=COMMAND_S)
    finally:
        waiting.kill()
    assert waiting.returncode == 0, err
    assert "belongs to the colony" in out
    assert code in err
    assert _waiting(rig, "approved") is None
    assert rig.states()["approved"][0] == "certificate"


def test_a_rejected_machine_is_told_so(rig: Rig) -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-m", "rbee", "hive", "join", rig.url],
        env=rig.machine("rejected"),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until_now(lambda: _waiting(rig, "rejected") is not None)
        rig.operator("hive", "reject", "rejected")
        _, err = waiting.communicate(timeout=COMMAND_S)
    finally:
        waiting.kill()
    assert waiting.returncode == 1
    assert "rejected this hive" in err
    assert "rejected" not in rig.states()


def _waiting(rig: Rig, name: str) -> str | None:
    rows = rig.ask("/v1/join-requests")["requests"]
    return next((row["code"] for row in rows if row["hive_id"] == name), None)


def test_a_token_is_good_once_and_for_its_name(rig: Rig) -> None:
    token = rig.token("named")
    with pytest.raises(AssertionError, match="for named, not for another"):
        rig.member("another", "hive", "join", rig.url, "--token", token)
    rig.member("named", "hive", "join", rig.url, "--token", token)
    with pytest.raises(AssertionError, match="used already, by named"):
        rig.member("another", "hive", "join", rig.url, "--token", token)
    dropped = json.loads(rig.operator("hive", "token", "--json"))
    rig.operator("hive", "token", "--drop", dropped["id"])
    with pytest.raises(AssertionError, match="not known here"):
        rig.member("another", "hive", "join", rig.url, "--token", dropped["token"])


def test_a_hive_can_only_speak_for_itself(rig: Rig, tmp_path: Path) -> None:
    folder = rig.join("honest")
    _beat_over_tls(rig, folder, "honest")
    with pytest.raises(Forbidden, match="may not speak for"):
        _beat_over_tls(rig, folder, "somebody-else")
    forged = make_authority(time.time())[0]
    key = make_key()
    identity = load_identity(folder)
    assert identity is not None
    pem = forged.issue_hive(key.public_key(), "honest", time.time())
    save_identity(tmp_path, key, pem, forged.pem)
    (tmp_path / "ca.pem").write_bytes(identity.ca_file.read_bytes())  # it knows the real queen
    with pytest.raises((QueenUnreachable, UntrustedPeer)):
        _beat_over_tls(rig, tmp_path, "honest")
    with pytest.raises(Forbidden, match="speaks with its certificate"):
        anyio.run(_ready_with_the_key, rig, "honest")


async def _ready_with_the_key(rig: Rig, name: str) -> None:
    async with QueenClient(rig.plain, key=KEY) as queen:
        await queen.ready(HiveReady(hive_id=name, hive_url="http://127.0.0.1:1"))


def test_a_certificate_is_renewed_with_its_key_and_a_revoked_one_is_not(rig: Rig) -> None:
    folder = rig.join("renews")
    before = load_identity(folder)
    assert before is not None
    key = before.key_file.read_bytes()
    renewal = Renewal(rig.url, folder, identity_context(folder, expects=QUEEN))
    assert not anyio.run(renewal.look, time.time())
    assert anyio.run(renewal.look, time.time() + 11 * 86_400)
    after = load_identity(folder)
    assert after is not None
    assert after.peer.fingerprint != before.peer.fingerprint
    assert after.key_file.read_bytes() == key
    _beat_over_tls(rig, folder, "renews")
    rig.ask("/v1/hives/renews/revoke", {})
    assert not anyio.run(renewal.look, time.time() + 11 * 86_400)
    with pytest.raises(RbeeError):
        _beat_over_tls(rig, folder, "renews")


def test_the_token_is_kept_from_whoever_has_another_ca(rig: Rig, tmp_path: Path) -> None:
    with Impostor(tmp_path) as impostor:
        token = rig.token()
        with pytest.raises(AssertionError, match="Nothing secret was sent"):
            rig.member("careful", "hive", "join", impostor.url, "--token", token)
        assert impostor.asked == ["GET /v1/hive/ca"]
        # One who shows the real CA and has no certificate of it gets no further either.
        impostor.shown = anyio.run(_real_ca, rig)
        with pytest.raises(AssertionError, match="not trusted"):
            rig.member("careful", "hive", "join", impostor.url, "--token", token)
        assert impostor.asked == ["GET /v1/hive/ca"] * 2


async def _real_ca(rig: Rig) -> bytes:
    async with QueenClient(rig.plain) as queen:
        found = await queen.transport.ask("GET", "/v1/hive/ca", ColonyCa)
    return found.certificate.encode()


def test_the_open_door_is_bounded(rig: Rig) -> None:
    async def knock() -> tuple[int, list[int]]:
        async with httpx2.AsyncClient(base_url=rig.plain, trust_env=False) as http:
            large = await http.post("/v1/hive/join", content=b" " * 20_000)
            codes = [
                (await http.post("/v1/hive/join", content=b"{}")).status_code for _ in range(80)
            ]
        return large.status_code, codes

    large, codes = anyio.run(knock)
    assert large == 413
    assert set(codes) == {400, 429}
    assert codes[-1] == 429

    async def patient() -> None:
        """Whoever waits as long as it is told gets in."""
        asked = JoinRequest(hive_id="late", request=make_request(make_key(), "late"))
        async with QueenClient(rig.plain) as queen:
            while True:
                try:
                    await queen.transport.ask("POST", "/v1/hive/join", object, body=asked)
                except RateLimited as error:
                    await anyio.sleep(error.retry_after_s)
                else:
                    return

    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(patient)


def test_what_operators_decide_takes_their_key(rig: Rig) -> None:
    async def ask() -> list[str]:
        codes: list[str] = []
        async with QueenClient(rig.plain) as queen:
            desk = JoiningClient(queen.transport)
            for call in (
                desk.new_token(JoinTokenWish()),
                desk.tokens(),
                desk.requests(),
                desk.decide("x", approve=True),
                desk.decide("x", approve=False),
                desk.members(),
                desk.revoke("x"),
                desk.drop_token("x"),
            ):
                try:
                    await call
                except RbeeError as error:
                    codes.append(error.code)
        return codes

    assert anyio.run(ask) == ["invalid_api_key"] * 8


def test_a_restarted_queen_knows_her_members(rig: Rig) -> None:
    folder = rig.join("stays")
    rig.queen.stop()
    rig.queen = rig.colony.queen(bind=EVERYWHERE)
    _beat_over_tls(rig, folder, "stays")
    assert rig.states()["stays"] == ("certificate", "fresh")


def test_no_token_is_in_any_log_or_file_of_the_queen(rig: Rig) -> None:
    made = json.loads(rig.operator("hive", "token", "--json"))
    secret = made["token"].rsplit(".", 1)[1].encode()
    root = Path(rig.queen.env["RBEE_DATA_DIR"])
    for path in root.rglob("*"):
        if path.is_file():
            assert secret not in path.read_bytes(), path
