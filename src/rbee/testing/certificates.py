"""A colony's CA for tests, and servers that show its certificates on a free port."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, cast

from starlette.types import ASGIApp

from rbee.foundation.http.certificates import Tls
from rbee.foundation.http.door import Rules, trusted_networks
from rbee.foundation.http.server import DaemonServer, bind, make_server, port_of
from rbee.foundation.http.tls import PemFiles
from rbee.foundation.http.wire import Hot
from rbee.foundation.identity.authority import Authority, make_authority
from rbee.foundation.identity.folder import Identity, save_identity
from rbee.foundation.identity.keys import make_key
from rbee.testing.waiting import until


class Certificates:
    """One colony's CA; every identity gets a folder of its own below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.authority: Authority = make_authority(time.time())[0]
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.authority.pem)

    def server(self, name: str = "queen", hosts: tuple[str, ...] = ("127.0.0.1",)) -> PemFiles:
        """What a queen's server shows."""
        key = make_key()
        cert = self.authority.issue_queen_server(key.public_key(), hosts, time.time())
        return _files(save_identity(self.folder / name, key, cert, self.authority.pem))

    def hive(self, hive_id: str) -> PemFiles:
        """A hive's identity."""
        key = make_key()
        cert = self.authority.issue_hive(key.public_key(), hive_id, time.time())
        return _files(save_identity(self.folder / hive_id, key, cert, self.authority.pem))


class Served(NamedTuple):
    """A running server behind a door."""

    server: DaemonServer
    port: int

    @property
    def https(self) -> str:
        """Its base URL over TLS."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def http(self) -> str:
        """Its base URL in plain HTTP."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def served(
    app: ASGIApp, tls: Tls, *, trusted: tuple[str, ...] = (), hot: Hot | None = None
) -> AsyncGenerator[Served]:
    """Serve ``app`` behind a door for the length of a block; sweeps are the test's to call."""
    server = make_server(app, hot, Rules(tls=tls, trusted=trusted_networks(trusted)))
    server.config.load()

    def accept() -> asyncio.Protocol:  # as uvicorn calls it; its own loop takes 0.2 s to end
        make = cast("Callable[..., asyncio.Protocol]", server.config.http_protocol_class)
        return make(config=server.config, server_state=server.server_state, app_state={})

    listener, *others = bind("127.0.0.1", 0)
    for other in others:
        other.close()
    async with await asyncio.get_running_loop().create_server(accept, sock=listener):
        yield Served(server, port_of(listener))
        for connection in list(server.server_state.connections):
            connection.shutdown()
        await until(lambda: not server.server_state.connections)


def _files(found: Identity) -> PemFiles:
    return PemFiles(cert=found.cert_file, key=found.key_file, ca=found.ca_file)
