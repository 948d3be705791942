"""One request and its answer, whichever way the bytes come and go.

The hot door is written once against ``Exchange``. Two implementations stand under
it: ``AsgiExchange`` (uvicorn's ordinary way, for everything unusual) and
``foundation.http.hot.WireExchange`` (the client's own transport, for the plain
requests that make up the load).
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from starlette.types import Receive, Scope, Send

from rbee.foundation.http.body import receive_body

Headers = list[tuple[bytes, bytes]]

EVENT_STREAM: Final = b"text/event-stream"


class Source(Protocol):
    """Where an answer's bytes come from, as far as its reader may slow it down."""

    def pause(self) -> None:
        """Read nothing more for now."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...


class Exchange(Protocol):
    """A request with its body, and the one answer to it.

    ``start`` once, then ``send`` pieces, then ``finish``. Nothing is written after
    the client has left; ``left`` says so.
    """

    @property
    def method(self) -> str:
        """``POST``, mostly."""
        ...

    @property
    def path(self) -> str:
        """Without the query."""
        ...

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """By lower-case name."""
        ...

    @property
    def started(self) -> bool:
        """Whether the answer has a head already."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the answer's end has been given."""
        ...

    @property
    def chunked(self) -> bool:
        """Whether the answer has no announced length."""
        ...

    @property
    def wire(self) -> "Wire | None":
        """The client's own wire, where the answer may be poured into it."""
        ...

    async def body(self) -> bytes:
        """The request's whole body."""
        ...

    def start(self, status: int, headers: Headers, *, length: int | None) -> None:
        """The answer's head; ``length`` None means chunks."""
        ...

    async def send(self, data: bytes) -> None:
        """A piece of the answer's body; waits while the client is behind."""
        ...

    async def finish(self, data: bytes = b"") -> None:
        """The last piece and the end."""
        ...

    async def left(self) -> None:
        """Return when the client has left."""
        ...


class Wire(Protocol):
    """An exchange's client, for letting a worker's own bytes through."""

    def write(self, data: bytes) -> None:
        """Bytes for the client as they shall be on the wire, chunk framing included."""
        ...

    def writer(self) -> Callable[[bytes], object]:
        """``write`` without anything around it, once the head is out."""
        ...

    async def send(self, data: bytes) -> None:
        """As ``Exchange.send``: framed here, and waiting while the client is behind."""
        ...

    async def finish(self, data: bytes = b"") -> None:
        """As ``Exchange.finish``."""
        ...

    def draw_from(self, source: Source | None) -> None:
        """Pause and resume this source as the client falls behind and catches up."""
        ...

    def end(self) -> None:
        """The answer's last byte has been written."""
        ...


class AsgiExchange:
    """An exchange over ASGI's ``receive`` and ``send``."""

    wire: "Wire | None" = None

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.started = False
        self.finished = False
        self.chunked = False
        self._head: dict[str, object] | None = None
        self._receive = receive
        self._send = send

    async def body(self) -> bytes:
        """The request's whole body.

        Raises:
            TooLarge: over the limit, declared or seen.
            ClientDisconnect: the client left before its end.
        """
        length = self.headers.get(b"content-length", b"").decode("latin-1")
        return await receive_body(self._receive, length or None)

    def start(self, status: int, headers: Headers, *, length: int | None) -> None:
        """The answer's head; it leaves with the first piece."""
        if length is not None:
            headers = [*headers, (b"content-length", b"%d" % length)]
        self._head = {"type": "http.response.start", "status": status, "headers": headers}
        self.chunked = length is None
        self.started = True

    async def send(self, data: bytes) -> None:
        """A piece of the answer's body."""
        await self._send_head()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """The last piece."""
        await self._send_head()
        self.finished = True
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def left(self) -> None:
        """Return when the client has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _send_head(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            await self._send(head)
