"""First contact with a colony elsewhere, over real TLS: what is compared, kept and sent."""

import asyncio
import json
import shutil
import stat
import sys
from pathlib import Path

import msgspec
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from rbee.client import transport
from rbee.client.queen import QueenClient
from rbee.errors import (
    BadSettings,
    InvalidApiKey,
    InvalidRequest,
    RemoteError,
    StartError,
    TlsRequired,
    UntrustedPeer,
)
from rbee.foundation import secrets, trust
from rbee.foundation.files import make_private_dir
from rbee.foundation.http import door
from rbee.foundation.http.certificates import Tls
from rbee.foundation.http.server import port_of
from rbee.foundation.identity.joined import Joined, write_joined
from rbee.keeper.addresses import Address, address_of
from rbee.keeper.cli.login import login, logout
from rbee.keeper.clients import queen_client
from rbee.keeper.colony import open_session
from rbee.keeper.login import accept, fingerprint_text, login_url, look, read_fingerprint
from rbee.keeper.screen import Live
from rbee.testing.certificates import Certificates, served

pytestmark = pytest.mark.anyio

KEY = "a-key-that-nobody-else-sees"
INFO = {
    "service": "queen",
    "version": "1.2.3",
    "base_url": "https://queen",
    "port": 7833,
    "pid": 1,
    "started_at": 0,
    "has_key": True,
}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for which in ("config", "data"):
        monkeypatch.setenv(f"RBEE_{which.upper()}_DIR", str(tmp_path / which))
    return tmp_path / "config"


@pytest.fixture
def colony(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "colony")


def queen_of(colony: Certificates, shown: list[str]) -> ASGIApp:
    """The few doors of a queen that a login needs; notes every key that she is shown."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        key = headers.get(b"authorization", b"").decode()
        shown.append(f"{scope['path']} {key}".strip())
        status, body = 200, {"status": "ok"}
        if scope["path"] == "/v1/hive/ca":
            body = {"certificate": colony.ca.read_text()}
        elif scope["path"] == "/v1/info":
            refused = {"error": "no", "details": "no", "code": "invalid_api_key", "remedy": "no"}
            status, body = (200, INFO) if key == f"Bearer {KEY}" else (401, refused)
        said = json.dumps(body).encode()
        start = {"type": "http.response.start", "status": status}
        await send({**start, "headers": [(b"content-length", str(len(said)).encode())]})
        await send({"type": "http.response.body", "body": said})

    return app


async def test_a_login_pins_the_colony_and_keeps_the_key(
    colony: Certificates, config: Path
) -> None:
    shown: list[str] = []
    async with served(queen_of(colony, shown), Tls(colony.server())) as at:
        found = await look(at.https)
        assert found.fingerprint == colony.authority.fingerprint
        assert not any("Bearer" in line for line in shown)
        info = await accept(found, KEY, keyring=False)
        assert info is not None
        assert info.service == "queen"
        assert address_of("queen", None).url == at.https
        async with queen_client(None) as client:
            assert (await client.info()).version == "1.2.3"
    if sys.platform != "win32":
        (kept,) = (config / "secrets").iterdir()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert stat.S_IMODE((config / "secrets").stat().st_mode) == 0o700
    assert KEY not in (config / "colonies.json").read_text()


async def test_another_colony_at_a_known_address_gets_nothing(
    colony: Certificates, tmp_path: Path
) -> None:
    shown: list[str] = []
    ours = colony.server()
    tls = Tls(ours)
    async with served(queen_of(colony, shown), tls) as at:
        await accept(await look(at.https), KEY, keyring=False)
        shown.clear()
        theirs = Certificates(tmp_path / "other").server()
        for old, new in zip(ours.all, theirs.all, strict=True):
            shutil.copyfile(new, old)
        tls.refresh()
        async with queen_client(None) as client:
            with pytest.raises(UntrustedPeer):
                await client.info()
    assert shown == []


async def test_a_hive_cannot_pose_as_the_queen(colony: Certificates) -> None:
    shown: list[str] = []
    async with served(queen_of(colony, shown), Tls(colony.hive("rogue"))) as at:
        with pytest.raises(UntrustedPeer, match="expected rbee://queen"):
            await look(at.https)
        trust.remember(at.https, colony.ca.read_text())
        async with QueenClient(at.https, key=KEY) as client:
            with pytest.raises(UntrustedPeer):
                await client.info()
    assert not any(KEY in line for line in shown)


async def test_a_ca_that_did_not_sign_what_is_shown_is_no_proof(
    colony: Certificates, tmp_path: Path
) -> None:
    other = Certificates(tmp_path / "other")
    async with served(queen_of(other, []), Tls(colony.server())) as at:
        with pytest.raises(UntrustedPeer):
            await look(at.https)


async def test_an_unknown_colony_is_refused_with_the_way_to_trust_it(colony: Certificates) -> None:
    async with (
        served(queen_of(colony, []), Tls(colony.server())) as at,
        QueenClient(at.https) as client,
    ):
        with pytest.raises(UntrustedPeer) as raised:
            await client.info()
    assert "rbee login" in raised.value.remedy


async def test_a_ca_file_is_trusted_by_host_name(
    colony: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RBEE_CA_FILE", str(colony.ca))
    async with (
        served(queen_of(colony, []), Tls(colony.server())) as at,
        QueenClient(at.https, key=KEY) as client,
    ):
        assert (await client.info()).version == "1.2.3"
    async with (
        served(queen_of(colony, []), Tls(colony.server("b", hosts=("elsewhere",)))) as at,
        QueenClient(at.https, key=KEY) as client,
    ):
        with pytest.raises(UntrustedPeer, match="IP address mismatch"):
            await client.info()
    monkeypatch.setenv("RBEE_CA_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(BadSettings, match="RBEE_CA_FILE"):
        QueenClient("https://queen:7833")


async def test_a_machine_of_the_colony_needs_no_login(colony: Certificates, tmp_path: Path) -> None:
    own = tmp_path / "data" / "hive" / "identity"
    own.mkdir(parents=True)
    (own / "ca.pem").write_bytes(colony.ca.read_bytes())
    async with (
        served(queen_of(colony, []), Tls(colony.server())) as at,
        QueenClient(at.https, key=KEY) as client,
    ):
        assert (await client.info()).version == "1.2.3"


async def test_tls_to_a_plain_port_says_so() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{port_of(server.sockets[0])}"
        async with QueenClient(url) as client:
            with pytest.raises(RemoteError, match="does not speak TLS"):
                await client.info()


async def test_the_command_compares_before_it_sends_anything(
    colony: Certificates, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    async with served(queen_of(colony, shown), Tls(colony.server())) as at:
        with pytest.raises(InvalidRequest, match="Nobody is here"):
            await login(at.https)
        with pytest.raises(InvalidRequest, match="not the colony"):
            await login(at.https, fingerprint="00" * 32)
        with pytest.raises(InvalidRequest, match="no argument"):
            await login(at.https, key=KEY)
        assert trust.known(at.https) is None
        assert not any("Bearer" in line for line in shown)
        assert fingerprint_text(colony.authority.fingerprint) in capsys.readouterr().err

        spoken = colony.authority.fingerprint.upper()
        monkeypatch.setattr(sys, "stdin", _Said(f"{KEY}\n"))
        await login(at.https, fingerprint=spoken, key="-")
        assert trust.key_for(at.https) == KEY
        monkeypatch.setattr(sys, "stdin", _Said("wrong\n"))
        with pytest.raises(InvalidApiKey, match="refuses this key"):
            await login(at.https, fingerprint=spoken, key="-")
        await logout()
    assert trust.known(at.https) is None
    assert trust.key_for(at.https) is None
    assert not list((secrets.secrets_dir()).iterdir())


class _Said:
    """A stdin that is a pipe."""

    def __init__(self, line: str) -> None:
        self._line = line

    def readline(self) -> str:
        return self._line

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("gaming-pc", "https://gaming-pc:7833"),
        ("gaming-pc:7000", "https://gaming-pc:7000"),
        ("https://queen.example.com", "https://queen.example.com"),
        ("http://10.8.0.1", "http://10.8.0.1:7833"),
    ],
)
async def test_what_is_typed(typed: str, url: str) -> None:
    assert login_url(typed) == url


async def test_on_a_machine_of_a_far_colony_commands_go_to_its_queen(
    colony: Certificates, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = make_private_dir(tmp_path / "data" / "hive" / "identity")
    (identity / "ca.pem").write_bytes(colony.ca.read_bytes())
    async with served(queen_of(colony, []), Tls(colony.server())) as at:
        far = at.https.replace("127.0.0.1", "127.0.0.2")  # not the name of this machine itself
        joined = Joined(url=far, ca_fingerprint="x", hive_id="gaming-pc", joined_at=0.0)
        write_joined(identity, joined)
        assert address_of("queen", None) == Address(room="queen", url=far, named=True)
        assert address_of("queen", None, login=False).named is False
        with pytest.raises(StartError, match="belongs to the colony"):
            await open_session(None, Live(quiet=True), here=True)
        write_joined(identity, msgspec.structs.replace(joined, url="https://localhost:7833"))
        assert address_of("queen", None).named is False
        trust.remember(at.https, None)
        assert address_of("queen", None).url == at.https
    assert capsys.readouterr().out == ""


async def test_fingerprints_are_read_as_people_write_them() -> None:
    plain = "0123456789abcdef" * 4
    spaced = fingerprint_text(plain).upper()
    assert {read_fingerprint(text) for text in (plain, spaced, f"sha256:{plain}")} == {plain}
    with pytest.raises(InvalidRequest, match="64"):
        read_fingerprint(plain[1:])


async def test_keys_belong_to_addresses(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    make_private_dir(config)
    (config / "api_key").write_text("the-colonys\n")
    trust.remember("http://10.8.0.1:7833", None)
    assert trust.key_for("http://10.8.0.1:7833") is None
    assert trust.key_for("http://localhost:7833") == "the-colonys"
    secrets.keep(trust.key_name("http://10.8.0.1:7833"), KEY, keyring=False)
    assert trust.key_for("HTTP://10.8.0.1:7833/") == KEY
    monkeypatch.setenv("RBEE_API_KEY", "named")
    assert trust.key_for("http://10.8.0.1:7833") == "named"


async def test_a_key_is_not_sent_in_the_clear_to_a_server_that_wants_tls(
    colony: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_is_near", _no)
    monkeypatch.setattr(door, "_ends", _far)
    sent = bytearray()
    received = door.Door.data_received

    def listening(self: door.Door, data: bytes) -> None:
        sent.extend(data)
        received(self, data)

    monkeypatch.setattr(door.Door, "data_received", listening)
    shown: list[str] = []
    async with (
        served(queen_of(colony, shown), Tls(colony.server())) as at,
        QueenClient(at.http, key=KEY) as client,
    ):
        with pytest.raises(TlsRequired, match="plain HTTP"):
            await client.info()
    assert sent.startswith(b"GET /health")
    assert KEY.encode() not in sent
    trusted = ("203.0.113.0/24",)
    async with (
        served(queen_of(colony, shown), Tls(colony.server()), trusted=trusted) as at,
        QueenClient(at.http, key=KEY) as client,
    ):
        assert (await client.info()).version == "1.2.3"


def _no(_url: str) -> bool:
    return False


def _far(_transport: object) -> tuple[str, str]:
    return "203.0.113.9", "192.0.2.1"
