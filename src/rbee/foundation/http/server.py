"""Sockets and uvicorn: one HTTP server inside a daemon that owns its own signals.

Listening on ``localhost`` means both families. Sockets are made here with
``proto=IPPROTO_TCP``, because asyncio sets TCP_NODELAY only then, and without it
the first token of every stream waits 40 ms for a delayed ACK.
"""

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Generator, Iterable
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from rbee.errors import PortTaken, StartError
from rbee.foundation.http.door import Door
from rbee.foundation.http.door import Rules as DoorRules
from rbee.foundation.http.hot import HotProtocol
from rbee.foundation.http.tls import Peer
from rbee.foundation.http.wire import Hot
from rbee.foundation.processes import port_owner

_BACKLOG = 2048  # a burst of a thousand clients connecting at once must not see a reset
_KEEP_ALIVE_S = 75  # longer than the 60 s of common proxies, so that they close first
_TICKS_PER_SWEEP = 10  # a second: the shortest limit that a sweep judges is ten
_GRACEFUL_STOP_S = 3  # open streams are cut after this; a drain happens before the server stops


async def _never(_exchange: object) -> None:
    """No path is hot: nothing comes here."""


_NOTHING_HOT = Hot(frozenset(), _never)


class DaemonServer(uvicorn.Server):
    """uvicorn without its signal handlers: the daemon decides when to stop."""

    def __init__(self, config: uvicorn.Config, hot: Hot, rules: DoorRules | None) -> None:
        super().__init__(config)
        self.hot = hot
        self.rules = rules

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the process's signal handlers alone."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Uvicorn's tenth of a second; each tenth of them looks for connections to close."""
        if counter % _TICKS_PER_SWEEP == 0:
            now = asyncio.get_running_loop().time()
            connections: list[object] = list(self.server_state.connections)
            for connection in connections:
                if isinstance(connection, HotProtocol | Door):
                    connection.sweep(now)
            if self.rules is not None:
                self.rules.tls.refresh()
        return await super().on_tick(counter)

    async def listen(self, listeners: Iterable[socket.socket]) -> None:
        """Take connections from further sockets, as from those that it was started with."""
        loop = asyncio.get_running_loop()
        for listener in listeners:
            self.servers.append(
                await loop.create_server(self._answering, sock=listener, backlog=_BACKLOG)
            )

    def _answering(self) -> asyncio.Protocol:
        make = cast("Any", self.config.http_protocol_class)  # it is called as uvicorn does
        return make(config=self.config, server_state=self.server_state, app_state={})

    def connection(self, peer: Peer | None = None) -> HotProtocol:
        """HTTP for a transport that did not come through a port: call ``connection_made``.

        ``peer`` is who is at its other end, where that is known by other means.
        """
        if not self.config.loaded:
            self.config.load()
        protocol = HotProtocol(
            hot=self.hot, config=self.config, server_state=self.server_state, app_state={}
        )
        protocol.peer = peer
        return protocol


def make_server(
    app: ASGIApp, hot: Hot | None = None, rules: DoorRules | None = None
) -> DaemonServer:
    """A server for ``app``; run it with ``serve(sockets=...)``. ``hot`` is answered before it.

    ``rules`` is for a port that others can reach: TLS, and plain HTTP for whom they name.
    """
    hot = hot or _NOTHING_HOT
    inner = partial(HotProtocol, hot=hot)

    def behind_door(**parts: Any) -> asyncio.Protocol:  # noqa: ANN401  uvicorn's own
        return Door(
            cast("DoorRules", rules), partial(inner, **parts), parts["server_state"].connections
        )

    config = uvicorn.Config(
        app,
        http=inner if rules is None else behind_door,  # pyright: ignore[reportArgumentType]  called as a class would be
        ws="none",
        loop="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACEFUL_STOP_S,
        proxy_headers=False,
    )
    return DaemonServer(config, hot, rules)


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets for ``host:port``; ``localhost`` and 127.0.0.1 also get ::1.

    Port 0 picks a free one, the same for both families.

    Raises:
        PortTaken: says by whom, where the system tells.
        StartError: the address is not this machine's.
    """
    first = _listen(_family(host), "127.0.0.1" if host == "localhost" else host, port)
    sockets = [first]
    if host in {"localhost", "127.0.0.1"} and socket.has_ipv6:
        try:
            sockets.append(_listen(socket.AF_INET6, "::1", port_of(first)))
        except PortTaken:
            # A stranger there would answer for us to whoever asks `localhost`.
            first.close()
            if port:
                raise
            return bind(host, port)
        except StartError:
            pass  # without IPv6 on the machine, 127.0.0.1 alone is all there is
    return sockets


def port_of(listener: socket.socket) -> int:
    """The port that a listening socket got."""
    port: int = listener.getsockname()[1]
    return port


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _bind_error(error, host, port) from None
    except OverflowError:
        listener.close()
        raise StartError(
            f"{port} is no port number.", remedy="Choose one from 1024 to 65535, or 0 for any."
        ) from None
    listener.setblocking(False)  # noqa: FBT003  the stdlib names it by position
    return listener


def _bind_error(error: OSError, host: str, port: int) -> StartError:
    if error.errno == errno.EADDRINUSE:
        owner = port_owner(port)
        by = f" by {owner}" if owner else ""
        return PortTaken(f"Port {port} is already taken{by}.")
    if error.errno == errno.EACCES:
        return StartError(
            f"This user may not listen on port {port}.", remedy="Choose a port above 1023."
        )
    return StartError(
        f"Cannot listen on {host}:{port}: {error.strerror}.",
        remedy="Bind to 127.0.0.1, 0.0.0.0 or an address of this machine.",
    )
