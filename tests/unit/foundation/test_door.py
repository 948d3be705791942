"""One port for TLS and plain HTTP, on real sockets: who gets what, and what handlers learn."""

import asyncio
import contextlib
import json
import shutil
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, cast

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from rbee.errors import BadSettings
from rbee.foundation.http import door as door_module
from rbee.foundation.http.certificates import Tls, colony_server_context
from rbee.foundation.http.door import Rules, may_speak_plain, trusted_networks
from rbee.foundation.http.server import DaemonServer, bind, make_server, port_of
from rbee.foundation.http.tls import (
    ANYONE,
    HIVE,
    QUEEN,
    PemFiles,
    colony_context,
    files_in,
    identity_context,
)
from rbee.foundation.http.wire import Hot, WireExchange
from rbee.foundation.identity.authority import Authority, make_authority
from rbee.foundation.identity.folder import Identity, save_identity
from rbee.foundation.identity.keys import make_key
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

HOT = "/v1/hot"


class Colony(NamedTuple):
    authority: Authority
    folder: Path

    def server(self, name: str = "queen", hosts: tuple[str, ...] = ("127.0.0.1",)) -> PemFiles:
        key = make_key()
        cert = self.authority.issue_queen_server(key.public_key(), hosts, time.time())
        return self._files(save_identity(self.folder / name, key, cert, self.authority.pem))

    def hive(self, hive_id: str) -> PemFiles:
        key = make_key()
        cert = self.authority.issue_hive(key.public_key(), hive_id, time.time())
        return self._files(save_identity(self.folder / hive_id, key, cert, self.authority.pem))

    def _files(self, found: Identity) -> PemFiles:
        return PemFiles(cert=found.cert_file, key=found.key_file, ca=found.ca_file)

    @property
    def ca(self) -> Path:
        path = self.folder / "ca.pem"
        path.write_bytes(self.authority.pem)
        return path


@pytest.fixture
def colony(tmp_path: Path) -> Colony:
    return Colony(make_authority(time.time())[0], tmp_path)


async def tell(scope: Scope, _receive: Receive, send: Send) -> None:
    """Says what the scope holds of the peer."""
    peer = scope.get("rbee.peer")
    said = json.dumps(
        {
            "scheme": scope["scheme"],
            "hive": scope.get("rbee.hive"),
            "peer": None if peer is None else peer.uri,
        }
    ).encode()
    headers = [(b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


class Served(NamedTuple):
    server: DaemonServer
    port: int

    @property
    def https(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def served(tls: Tls, trusted: tuple[str, ...] = ()) -> AsyncGenerator[Served]:
    async def hot(exchange: WireExchange) -> None:
        body = await exchange.body()
        exchange.start(200, [], length=len(body) + 4)
        await exchange.finish(b"hot " + body)

    rules = Rules(tls=tls, trusted=trusted_networks(trusted))
    server = make_server(tell, Hot(frozenset({HOT.encode()}), hot), rules)
    server.config.load()

    def accept() -> asyncio.Protocol:  # as uvicorn calls it; its own loop takes 0.2 s to end
        make = cast("Callable[..., asyncio.Protocol]", server.config.http_protocol_class)
        return make(config=server.config, server_state=server.server_state, app_state={})

    (listener, *_rest) = bind("127.0.0.1", 0)
    for other in _rest:
        other.close()
    async with await asyncio.get_running_loop().create_server(accept, sock=listener):
        yield Served(server, port_of(listener))
        for connection in list(server.server_state.connections):
            connection.shutdown()
        await until(lambda: not server.server_state.connections)


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let loopback count as somebody else's machine: tests have no other address."""

    def far(_transport: object) -> tuple[str, str]:
        return "203.0.113.9", "192.0.2.1"

    monkeypatch.setattr(door_module, "_ends", far)


def client(verify: ssl.SSLContext | bool) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(verify=verify, trust_env=False, timeout=5)


async def test_a_hive_is_known_by_its_certificate_under_any_address(colony: Colony) -> None:
    colony.hive("gaming-pc")
    context = identity_context(colony.folder / "gaming-pc", expects=QUEEN)
    assert context is not None
    async with served(Tls(colony.server(hosts=("elsewhere.example",)))) as at, client(context) as c:
        said = (await c.get(f"{at.https}/")).json()
        hot = await c.post(at.https + HOT, content=b"x" * 100_000)
    assert said == {"scheme": "https", "hive": "gaming-pc", "peer": "rbee://hive/gaming-pc"}
    assert hot.content == b"hot " + b"x" * 100_000


async def test_plain_http_of_this_machine_goes_on_the_same_port(colony: Colony) -> None:
    async with served(Tls(colony.server())) as at, client(verify=False) as c:
        said = (await c.get(f"{at.http}/")).json()
        assert (await c.post(at.http + HOT, content=b"abc")).content == b"hot abc"
    assert said == {"scheme": "http", "hive": None, "peer": None}


async def test_a_browser_is_asked_for_no_certificate(colony: Colony) -> None:
    plain = ssl.create_default_context(cafile=str(colony.ca))
    mine = colony.hive("nosy")
    plain.load_cert_chain(mine.cert, mine.key)
    async with served(Tls(colony.server())) as at, client(plain) as c:
        said = (await c.get(f"{at.https}/")).json()
    assert said == {"scheme": "https", "hive": None, "peer": None}


@pytest.mark.usefixtures("strangers")
async def test_plain_http_of_others_gets_an_error_and_no_redirect(colony: Colony) -> None:
    async with served(Tls(colony.server())) as at, client(verify=False) as c:
        answer = await c.post(
            at.http + HOT, content=b"prompt" * 10_000, headers={"authorization": "Bearer secret"}
        )
    assert answer.status_code == 403
    assert answer.json()["code"] == "tls_required"
    assert "https://" in answer.json()["remedy"]
    assert "location" not in answer.headers


@pytest.mark.usefixtures("strangers")
async def test_plain_http_of_trusted_networks_goes_through(colony: Colony) -> None:
    async with (
        served(Tls(colony.server()), trusted=("203.0.113.0/24",)) as at,
        client(verify=False) as c,
    ):
        assert (await c.get(f"{at.http}/")).json()["scheme"] == "http"


async def test_a_certificate_of_another_colony_is_refused(colony: Colony, tmp_path: Path) -> None:
    other = Colony(make_authority(time.time())[0], tmp_path / "other")
    (tmp_path / "other").mkdir()
    forged = other.hive("gaming-pc")
    context = colony_context(colony.ca, expects=QUEEN, cert=forged.cert, key=forged.key)
    async with served(Tls(colony.server())) as at, client(context) as c:
        with pytest.raises(httpx2.TransportError):
            await c.get(f"{at.https}/")


async def test_a_hive_is_no_queen_to_those_who_expect_one(colony: Colony) -> None:
    files = colony.hive("impostor")
    async with served(Tls(files)) as at:
        async with client(colony_context(colony.ca, expects=QUEEN)) as c:
            with pytest.raises(httpx2.ConnectError, match="expected rbee://queen"):
                await c.get(f"{at.https}/")
        async with client(colony_context(colony.ca, expects=HIVE + "impostor")) as c:
            assert (await c.get(f"{at.https}/")).status_code == 200
        async with client(colony_context(colony.ca, expects=ANYONE)) as c:
            assert (await c.get(f"{at.https}/")).status_code == 200


async def test_sockets_that_block_check_the_name_too(colony: Colony) -> None:
    async with served(Tls(colony.hive("impostor"))) as at:

        def connect() -> None:
            context = colony_context(colony.ca, expects=QUEEN)
            with socket.create_connection(("127.0.0.1", at.port), timeout=5) as plain:
                context.wrap_socket(plain).close()

        with pytest.raises(ssl.SSLCertVerificationError, match="expected rbee://queen"):
            await asyncio.to_thread(connect)


async def test_given_files_are_for_others_and_the_own_ca_for_the_colony(
    colony: Colony, tmp_path: Path
) -> None:
    (tmp_path / "bought").mkdir()
    bought = Colony(make_authority(time.time())[0], tmp_path / "bought")
    tls = Tls(colony.server(), bought.server())
    async with served(tls) as at:
        async with client(ssl.create_default_context(cafile=str(bought.ca))) as c:
            assert (await c.get(f"{at.https}/")).status_code == 200
        async with client(colony_context(colony.ca, expects=QUEEN)) as c:
            assert (await c.get(f"{at.https}/")).status_code == 200


async def test_certificates_are_renewed_without_a_restart(colony: Colony) -> None:
    files = colony.server()
    assert files.ca is not None
    async with served(Tls(files)) as at:
        before = await serial(at, colony)
        renewed = colony.server("renewed")
        for old, new in zip(files.all, renewed.all, strict=True):
            shutil.copyfile(new, old)
        assert await serial(at, colony) == before
        await at.server.on_tick(0)
        assert await serial(at, colony) != before


async def serial(at: Served, colony: Colony) -> str:
    context = colony_context(colony.ca, expects=QUEEN)
    _reader, writer = await asyncio.open_connection("127.0.0.1", at.port, ssl=context)
    try:
        return str(writer.get_extra_info("peercert")["serialNumber"])
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_half_written_renewal_leaves_the_old_one_in_force(colony: Colony) -> None:
    files = colony.server()
    tls = Tls(files)
    files.cert.write_text("-----BEGIN CERT")
    tls.refresh()
    async with served(tls) as at:
        assert await serial(at, colony)


async def test_a_hive_that_has_not_joined_shows_nothing_until_it_has(
    colony: Colony, tmp_path: Path
) -> None:
    tls = Tls(files_in(tmp_path / "late"))
    assert identity_context(tmp_path / "late", expects=QUEEN) is None
    assert not tls.ready
    async with served(tls) as at, client(colony_context(colony.ca, expects=ANYONE)) as c:
        with pytest.raises(httpx2.TransportError):
            await c.get(f"{at.https}/")
        colony.hive("late")
        tls.refresh()
        assert (await c.get(f"{at.https}/")).status_code == 200


async def test_a_hello_in_pieces_is_put_together(colony: Colony) -> None:
    context = colony_context(colony.ca, expects=QUEEN)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    async with served(Tls(colony.server())) as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        for at_byte in range(len(hello)):
            writer.write(hello[at_byte : at_byte + 1])
            if at_byte % 50 == 0:
                await writer.drain()
                await asyncio.sleep(0)
        incoming.write(await reader.read(64 * 1024))
        tls.do_handshake()
        writer.close()
        await writer.wait_closed()


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize(
    "first", [b"\x16\x03\x01\xff\xff" + b"x" * 70_000, b"\x80", b"\x16", b"\0"]
)
async def test_junk_is_closed_and_leaves_nothing_behind(colony: Colony, first: bytes) -> None:
    async with served(Tls(colony.server())) as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(first)
        await until(lambda: len(at.server.server_state.connections) == 1)
        writer.write_eof()
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):  # reset is as good as closed
                await reader.read()
        writer.close()
        await until(lambda: not at.server.server_state.connections)


async def test_who_says_nothing_is_closed(colony: Colony, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "FIRST_BYTES_S", 0.0)
    async with served(Tls(colony.server())) as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        await until(lambda: len(at.server.server_state.connections) == 1)
        await at.server.on_tick(0)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("peer", "own", "plain"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::", True),
        ("192.168.1.5", "192.168.1.5", True),
        ("192.168.1.6", "192.168.1.5", False),
        ("10.8.0.7", "10.8.0.1", True),
        ("::ffff:10.8.0.7", "::", True),
        ("fd7a:115c:a1e0::5", "fd7a:115c:a1e0::1", True),
        ("fe80::1%eth0", "fe80::2%eth0", False),
        ("", "", False),
    ],
)
async def test_who_may_speak_plain(peer: str, own: str, plain: bool) -> None:
    trusted = trusted_networks(["10.8.0.0/16", "fd7a:115c:a1e0::/48"])
    assert may_speak_plain(peer, own, trusted) is plain


async def test_settings_that_are_wrong_are_told() -> None:
    with pytest.raises(BadSettings, match="trusted_networks"):
        trusted_networks(["10.8.0.1/16"])
    with pytest.raises(BadSettings, match="cannot be used"):
        Tls(given=PemFiles(cert=Path("/nowhere/cert.pem"), key=Path("/nowhere/key.pem")))


async def test_a_key_and_a_certificate_of_different_pairs_are_refused(colony: Colony) -> None:
    mixed = PemFiles(cert=colony.server("a").cert, key=colony.server("b").key)
    with pytest.raises(BadSettings, match="key values mismatch"):
        Tls(given=mixed)
    with pytest.raises(ssl.SSLError):
        colony_server_context(mixed)
