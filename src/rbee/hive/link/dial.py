"""One attempt to reach the queen: TCP, TLS, the WebSocket's handshake."""

import asyncio
import ssl
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.http11 import Response
from websockets.uri import parse_uri

from rbee.client.transport import error_from
from rbee.errors import QueenUnreachable
from rbee.foundation.mux.frames import Lane

PATH: Final = "/v1/hive/link"
DIAL_S: Final = 5.0  # TCP, TLS and the handshake are five round trips: 1.5 s at 300 ms


class _Handshake(asyncio.Protocol):
    """Sends the request, waits for the answer."""

    def __init__(self, uri: str, headers: dict[str, str]) -> None:
        self.done: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
        self._uri = uri
        self._headers = headers
        self._client = ClientProtocol(parse_uri(uri))
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue]  TCP gives no other
        request = self._client.connect()
        request.headers.update(Headers(self._headers))
        self._client.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """The answer, in one piece or several."""
        if self.done.done():
            return
        self._client.receive_data(data)
        self._settle()

    def eof_received(self) -> None:
        """The queen has closed."""
        self._client.receive_eof()
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        """It broke before the answer was whole."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("closed in the handshake"))

    def _settle(self) -> None:
        answered = any(isinstance(event, Response) for event in self._client.events_received())
        if self.done.done() or self._transport is None:
            return
        if self._client.handshake_exc is not None:
            self.done.set_exception(self._client.handshake_exc)
        elif answered:
            self.done.set_result(self._transport)

    def _flush(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._client.data_to_send()))


async def dial(
    queen_url: str, lane: Lane, *, key: str | None, context: ssl.SSLContext | None
) -> asyncio.Transport:
    """A connection on which messages may be sent; its protocol is to be replaced at once.

    Raises:
        RbeeError: the queen answered and refused, as the class that she raised.
        QueenUnreachable: nobody answers, or not in ``DIAL_S``.
    """
    parts = urlsplit(queen_url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "localhost", parts.port or (443 if secure else 80)
    named = f"[{host}]" if ":" in host else host
    uri = f"{'wss' if secure else 'ws'}://{named}:{port}{PATH}?lane={lane}"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    options: dict[str, Any] = {"ssl": context or True, "server_hostname": host} if secure else {}
    handshake: _Handshake | None = None
    try:
        async with asyncio.timeout(DIAL_S):
            loop = asyncio.get_running_loop()
            _, handshake = await loop.create_connection(
                lambda: _Handshake(uri, headers), host, port, **options
            )
            return await handshake.done
    except InvalidStatus as error:
        response = error.response
        raise error_from(response.status_code, bytes(response.body), response.headers) from None
    except InvalidHandshake as error:
        raise QueenUnreachable(f"{queen_url} does not take links: {error}.") from None
    except OSError as error:  # a timeout is one, without words
        words = error.strerror or str(error) or f"no answer within {DIAL_S:.0f} s"
        raise QueenUnreachable(f"{queen_url} cannot be linked to: {words}.") from None
