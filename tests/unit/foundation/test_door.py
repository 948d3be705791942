"""One port for TLS and plain HTTP, on real sockets: who gets what, and what handlers learn."""

import asyncio
import contextlib
import json
import shutil
import socket
import ssl
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from rbee.errors import BadSettings
from rbee.foundation.http import door as door_module
from rbee.foundation.http.certificates import Tls, colony_server_context
from rbee.foundation.http.door import may_speak_plain, trusted_networks
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
from rbee.testing.certificates import Certificates, Served, served
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

HOT = "/v1/hot"


@pytest.fixture
def colony(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


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


def serving(tls: Tls, trusted: tuple[str, ...] = ()) -> AbstractAsyncContextManager[Served]:
    async def hot(exchange: WireExchange) -> None:
        body = await exchange.body()
        exchange.start(200, [], length=len(body) + 4)
        await exchange.finish(b"hot " + body)

    return served(tell, tls, trusted=trusted, hot=Hot(frozenset({HOT.encode()}), hot))


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let loopback count as somebody else's machine: tests have no other address."""

    def far(_transport: object) -> tuple[str, str]:
        return "203.0.113.9", "192.0.2.1"

    monkeypatch.setattr(door_module, "_ends", far)


def client(verify: ssl.SSLContext | bool) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(verify=verify, trust_env=False, timeout=5)


async def test_a_hive_is_known_by_its_certificate_under_any_address(colony: Certificates) -> None:
    colony.hive("gaming-pc")
    context = identity_context(colony.folder / "gaming-pc", expects=QUEEN)
    assert context is not None
    async with (
        serving(Tls(colony.server(hosts=("elsewhere.example",)))) as at,
        client(context) as c,
    ):
        said = (await c.get(f"{at.https}/")).json()
        hot = await c.post(at.https + HOT, content=b"x" * 100_000)
    assert said == {"scheme": "https", "hive": "gaming-pc", "peer": "rbee://hive/gaming-pc"}
    assert hot.content == b"hot " + b"x" * 100_000


async def test_plain_http_of_this_machine_goes_on_the_same_port(colony: Certificates) -> None:
    async with serving(Tls(colony.server())) as at, client(verify=False) as c:
        said = (await c.get(f"{at.http}/")).json()
        assert (await c.post(at.http + HOT, content=b"abc")).content == b"hot abc"
    assert said == {"scheme": "http", "hive": None, "peer": None}


async def test_a_browser_is_asked_for_no_certificate(colony: Certificates) -> None:
    plain = ssl.create_default_context(cafile=str(colony.ca))
    mine = colony.hive("nosy")
    plain.load_cert_chain(mine.cert, mine.key)
    async with serving(Tls(colony.server())) as at, client(plain) as c:
        said = (await c.get(f"{at.https}/")).json()
    assert said == {"scheme": "https", "hive": None, "peer": None}


@pytest.mark.usefixtures("strangers")
async def test_plain_http_of_others_gets_an_error_and_no_redirect(colony: Certificates) -> None:
    async with serving(Tls(colony.server())) as at, client(verify=False) as c:
        answer = await c.post(
            at.http + HOT, content=b"prompt" * 10_000, headers={"authorization": "Bearer secret"}
        )
    assert answer.status_code == 403
    assert answer.json()["code"] == "tls_required"
    assert "https://" in answer.json()["remedy"]
    assert "location" not in answer.headers


@pytest.mark.usefixtures("strangers")
async def test_plain_http_of_trusted_networks_goes_through(colony: Certificates) -> None:
    async with (
        serving(Tls(colony.server()), trusted=("203.0.113.0/24",)) as at,
        client(verify=False) as c,
    ):
        assert (await c.get(f"{at.http}/")).json()["scheme"] == "http"


async def test_a_certificate_of_another_colony_is_refused(
    colony: Certificates, tmp_path: Path
) -> None:
    other = Certificates(tmp_path / "other")
    forged = other.hive("gaming-pc")
    context = colony_context(colony.ca, expects=QUEEN, cert=forged.cert, key=forged.key)
    async with serving(Tls(colony.server())) as at, client(context) as c:
        with pytest.raises(httpx2.TransportError):
            await c.get(f"{at.https}/")


async def test_a_hive_is_no_queen_to_those_who_expect_one(colony: Certificates) -> None:
    files = colony.hive("impostor")
    async with serving(Tls(files)) as at:
        async with client(colony_context(colony.ca, expects=QUEEN)) as c:
            with pytest.raises(httpx2.ConnectError, match="expected rbee://queen"):
                await c.get(f"{at.https}/")
        async with client(colony_context(colony.ca, expects=HIVE + "impostor")) as c:
            assert (await c.get(f"{at.https}/")).status_code == 200
        async with client(colony_context(colony.ca, expects=ANYONE)) as c:
            assert (await c.get(f"{at.https}/")).status_code == 200


async def test_sockets_that_block_check_the_name_too(colony: Certificates) -> None:
    async with serving(Tls(colony.hive("impostor"))) as at:

        def connect() -> None:
            context = colony_context(colony.ca, expects=QUEEN)
            with socket.create_connection(("127.0.0.1", at.port), timeout=5) as plain:
                context.wrap_socket(plain).close()

        with pytest.raises(ssl.SSLCertVerificationError, match="expected rbee://queen"):
            await asyncio.to_thread(connect)


async def test_given_files_are_for_others_and_the_own_ca_for_the_colony(
    colony: Certificates, tmp_path: Path
) -> None:
    bought = Certificates(tmp_path / "bought")
    tls = Tls(colony.server(), bought.server())
    async with serving(tls) as at:
        async with client(ssl.create_default_context(cafile=str(bought.ca))) as c:
            assert (await c.get(f"{at.https}/")).status_code == 200
        async with client(colony_context(colony.ca, expects=QUEEN)) as c:
            assert (await c.get(f"{at.https}/")).status_code == 200


async def test_certificates_are_renewed_without_a_restart(colony: Certificates) -> None:
    files = colony.server()
    assert files.ca is not None
    async with serving(Tls(files)) as at:
        before = await serial(at, colony)
        renewed = colony.server("renewed")
        for old, new in zip(files.all, renewed.all, strict=True):
            shutil.copyfile(new, old)
        assert await serial(at, colony) == before
        await at.server.on_tick(0)
        assert await serial(at, colony) != before


async def serial(at: Served, colony: Certificates) -> str:
    context = colony_context(colony.ca, expects=QUEEN)
    _reader, writer = await asyncio.open_connection("127.0.0.1", at.port, ssl=context)
    try:
        return str(writer.get_extra_info("peercert")["serialNumber"])
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_half_written_renewal_leaves_the_old_one_in_force(colony: Certificates) -> None:
    files = colony.server()
    tls = Tls(files)
    files.cert.write_text("-----BEGIN CERT")
    tls.refresh()
    async with serving(tls) as at:
        assert await serial(at, colony)


async def test_a_hive_that_has_not_joined_shows_nothing_until_it_has(
    colony: Certificates, tmp_path: Path
) -> None:
    tls = Tls(files_in(tmp_path / "late"))
    assert identity_context(tmp_path / "late", expects=QUEEN) is None
    assert not tls.ready
    async with serving(tls) as at, client(colony_context(colony.ca, expects=ANYONE)) as c:
        with pytest.raises(httpx2.TransportError):
            await c.get(f"{at.https}/")
        colony.hive("late")
        tls.refresh()
        assert (await c.get(f"{at.https}/")).status_code == 200


async def test_a_hello_in_pieces_is_put_together(colony: Certificates) -> None:
    context = colony_context(colony.ca, expects=QUEEN)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    async with serving(Tls(colony.server())) as at:
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
async def test_junk_is_closed_and_leaves_nothing_behind(colony: Certificates, first: bytes) -> None:
    async with serving(Tls(colony.server())) as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(first)
        await until(lambda: len(at.server.server_state.connections) == 1)
        writer.write_eof()
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):  # reset is as good as closed
                await reader.read()
        writer.close()
        await until(lambda: not at.server.server_state.connections)


async def test_who_says_nothing_is_closed(
    colony: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "FIRST_BYTES_S", 0.0)
    async with serving(Tls(colony.server())) as at:
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


async def test_a_key_and_a_certificate_of_different_pairs_are_refused(colony: Certificates) -> None:
    mixed = PemFiles(cert=colony.server("a").cert, key=colony.server("b").key)
    with pytest.raises(BadSettings, match="key values mismatch"):
        Tls(given=mixed)
    with pytest.raises(ssl.SSLError):
        colony_server_context(mixed)
