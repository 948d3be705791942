"""The worker's TLS door: who gets in, what is proved, what comes through."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from rbee.errors import InvalidRequest
from rbee.foundation.identity.peers import hive_name
from rbee.foundation.proofs import PROBE_ALPN, TRAFFIC_ALPN, make_nonce, proves, question
from rbee.testing.identities import Identities, client_context
from rbee.worker.settings import parse_arguments
from rbee.worker.tls.door import Door, networks

pytestmark = pytest.mark.anyio

SECRET = "the-worker's-own-secret"
HOST = "127.0.0.1"
WITHIN_S = 5.0


@pytest.fixture(scope="module")
def colony(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("colony"))


class Engine:
    """Echoes what it gets, in capitals; counts who came."""

    def __init__(self) -> None:
        self.came = 0
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        try:
            while data := await reader.read(65_536):
                writer.write(data.upper())
                if b"bye" in data:
                    break
                await writer.drain()
        finally:
            writer.close()
            self.left.set()


class Open:
    """A door, its engine, and how to knock."""

    def __init__(self, colony: Identities, port: int, engine: Engine) -> None:
        self.colony = colony
        self.port = port
        self.engine = engine

    async def knock(
        self, identity: Path | None, alpn: str = TRAFFIC_ALPN, *, name: str = "hive-1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = client_context(identity, self.colony.authority.pem, alpn)
        return await asyncio.open_connection(
            HOST, self.port, ssl=context, server_hostname=hive_name(name)
        )


@contextlib.asynccontextmanager
async def opened(colony: Identities, *trusted: str) -> AsyncGenerator[Open]:
    engine = Engine()
    server = await asyncio.start_server(engine.serve, HOST, 0)
    listener = socket.create_server((HOST, 0))
    door = Door(
        listener,
        server.sockets[0].getsockname(),
        identity=colony.hive("hive-1"),
        secret=SECRET,
        trusted=networks(trusted),
    )
    serving = asyncio.create_task(door.serve())
    try:
        async with server:
            yield Open(colony, listener.getsockname()[1], engine)
    finally:
        serving.cancel()
        listener.close()


async def exchange(
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], *sent: bytes
) -> bytes:
    """Send, and read to the end; what is refused answers nothing."""
    reader, writer = streams
    answer = b""
    with contextlib.suppress(OSError):
        for part in sent:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(WITHIN_S):
            answer = await reader.read()
    writer.transport.abort()
    return answer


async def test_the_queens_bytes_reach_the_engine_and_its_bytes_come_back(
    colony: Identities,
) -> None:
    async with opened(colony) as door:
        body = b"x" * 3_000_000
        answer = await exchange(await door.knock(colony.queen()), body, b"bye")
        assert answer == body.upper() + b"BYE"


async def test_a_probe_is_answered_with_a_proof_and_never_reaches_the_engine(
    colony: Identities,
) -> None:
    async with opened(colony) as door:
        nonce = make_nonce()
        answer = await exchange(await door.knock(colony.queen(), PROBE_ALPN), question(nonce))
        assert proves(SECRET, nonce, answer)
        assert not proves("another worker's secret", nonce, answer)
        assert not proves(SECRET, make_nonce(), answer)
        assert await exchange(await door.knock(colony.queen(), PROBE_ALPN), b"GET / \r\n") == b""
        assert door.engine.came == 0


@pytest.mark.parametrize("who", ["nobody", "a hive", "another colony's queen"])
async def test_only_the_queen_of_this_colony_gets_in(
    colony: Identities, tmp_path: Path, who: str
) -> None:
    identity = {
        "nobody": None,
        "a hive": colony.hive("hive-2"),
        "another colony's queen": Identities(tmp_path).queen(),
    }[who]
    async with opened(colony) as door:
        with contextlib.suppress(OSError):
            assert await exchange(await door.knock(identity), b"GET / HTTP/1.1\r\n\r\n") == b""
        assert door.engine.came == 0


async def test_the_worker_shows_which_hive_it_belongs_to(colony: Identities) -> None:
    async with opened(colony) as door:
        with pytest.raises(ssl.SSLCertVerificationError):
            await door.knock(colony.queen(), name="hive-2")


async def test_plain_connections_are_for_declared_networks(colony: Identities) -> None:
    async with opened(colony) as door:
        answer = await exchange(await asyncio.open_connection(HOST, door.port), b"hello bye")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"TLS" in answer
        assert door.engine.came == 0
    async with opened(colony, "127.0.0.0/8") as door:
        plain = await asyncio.open_connection(HOST, door.port)
        assert await exchange(plain, b"hello bye") == b"HELLO BYE"
        nonce = make_nonce()
        line = question(nonce)
        probe = await asyncio.open_connection(HOST, door.port)
        assert proves(SECRET, nonce, await exchange(probe, line[:3], line[3:]))


async def test_the_engine_is_dialled_when_something_is_asked_and_left_when_the_queen_leaves(
    colony: Identities,
) -> None:
    async with opened(colony) as door:
        ready = await door.knock(colony.queen())
        reader, writer = await door.knock(colony.queen())
        writer.write(b"a")
        assert await reader.readexactly(1) == b"A"
        assert door.engine.came == 1  # not for the one that is only kept ready
        writer.transport.abort()
        async with asyncio.timeout(WITHIN_S):
            await door.engine.left.wait()
        ready[1].transport.abort()


async def test_renewed_certificates_are_shown_from_then_on(colony: Identities) -> None:
    identity = colony.hive("hive-9")
    listener = socket.create_server((HOST, 0))
    door = Door(listener, (HOST, 1), identity=identity, secret=SECRET)
    serving = asyncio.create_task(door.serve())
    queen = client_context(colony.queen(), colony.authority.pem, TRAFFIC_ALPN)

    async def shown() -> bytes:
        _, writer = await asyncio.open_connection(
            *listener.getsockname(), ssl=queen, server_hostname=hive_name("hive-9")
        )
        seen: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return seen

    before = await shown()
    (identity / "cert.pem").write_bytes(b"half a certificate")
    door.renew()
    assert await shown() == before
    colony.hive("hive-9")
    door.renew()
    assert await shown() != before
    serving.cancel()
    listener.close()


ARGV = (
    "--engine scripted --model m --alias a --host 127.0.0.1 --port 9001 --key-file k"
    " --context 64 --slots 1 "
)


def test_the_doors_arguments_belong_together() -> None:
    found = parse_arguments(
        (
            ARGV + "--tls-host 10.0.0.2 --tls-port 9001 --identity /id --trust 10.8.0.0/24,fd00::/8"
        ).split()
    )
    assert (found.tls_host, found.tls_port, found.identity) == ("10.0.0.2", 9001, Path("/id"))
    assert found.trust == ("10.8.0.0/24", "fd00::/8")
    with pytest.raises(InvalidRequest, match="belong together"):
        parse_arguments((ARGV + "--tls-host 10.0.0.2").split())
    with pytest.raises(InvalidRequest, match="networks"):
        parse_arguments((ARGV + "--trust everyone").split())
