"""A connection that stops being HTTP: what whoever takes it over gets, and its answer.

``hot`` hands it over when a request for a WebSocket came to a path of ``Hot.upgrades``.
The handshake is the library's; what is spoken afterwards is the taker's own business.
"""

import asyncio
from typing import Any, Final, NamedTuple

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from rbee.errors import RbeeError
from rbee.foundation.http.problems import as_problem
from rbee.foundation.http.tls import Peer

_SWITCHING: Final = 101
_PHRASES: Final = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 409: "Conflict"}


class Upgrade(NamedTuple):
    """A request to upgrade. ``connections`` is the server's own set: it shuts what stands in it.

    ``headers`` have lower-case names; ``peer`` is whom the connection's certificate names.
    """

    transport: asyncio.Transport
    connections: set[Any]
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    peer: Peer | None

    def accept(self) -> bool:
        """Answer the handshake; False when it was none, and the connection is closed."""
        headers = Headers([(k.decode("latin-1"), v.decode("latin-1")) for k, v in self.headers])
        protocol = ServerProtocol()
        try:
            response = protocol.accept(Request(self.path.decode("latin-1"), headers))
        except InvalidHandshake:  # the library answers those it knows by itself
            self.transport.close()
            return False
        self.transport.write(response.serialize())
        if response.status_code == _SWITCHING:
            return True
        self.transport.close()
        return False

    def refuse(self, error: RbeeError) -> None:
        """Answer with an error and close."""
        body = as_problem(error)
        headers = Headers(
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
        )
        phrase = _PHRASES.get(error.status, "Refused")
        self.transport.write(Response(error.status, phrase, headers, body).serialize())
        self.transport.close()
