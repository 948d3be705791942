"""A small HTTP server for tests, in a thread: files by range, faults by order.

The stub hub and the stub package index are answers on top of it. It keeps every
request, so that a test can assert what was sent (a ``Range``, a token) and to
whom. Faults are counted, never timed: a connection is cut after so many bytes,
or held after so many until the test lets go.
"""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self, TypeAlias, cast
from urllib.parse import unquote, urlsplit

import msgspec

_SENT_AT_ONCE_BYTES: Final = 16_384  # small enough that a cut falls where it was asked
_HOLD_S_MAX: Final = 30.0  # a test that forgets to let go still ends
_POLL_S: Final = 0.02  # how soon the server thread notices that it shall stop
_Request: TypeAlias = socket.socket | tuple[bytes, socket.socket]
"""A connection; ``socketserver`` has another form for datagrams."""
_RANGE: Final = re.compile(r"bytes=(\d+)-")


class Faults(msgspec.Struct):
    """What goes wrong with a file. All off by default.

    ``cut_after`` closes the connection after so many bytes of a body, ``cuts``
    times; ``hold_after`` waits there for ``StubServer.release``; ``rate_bytes_s``
    slows the body; ``ignore_range`` sends the whole file whatever was asked;
    ``status`` answers with this status, ``refusals`` times.
    """

    cut_after: int | None = None
    cuts: int = 1
    hold_after: int | None = None
    rate_bytes_s: float | None = None
    ignore_range: bool = False
    status: int | None = None
    refusals: int = 1


class Seen(msgspec.Struct, frozen=True):
    """One request: the path is decoded, header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


class Answer(msgspec.Struct):
    """A status, headers and a body; with ``faults`` the body is served as a file."""

    status: int = HTTPStatus.OK
    headers: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    body: bytes = b""
    faults: Faults | None = None


class StubServer:
    """Answers on a free loopback port between ``with`` and its end."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self._release = threading.Event()
        self._server = _Listener(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), daemon=True
        )

    def answer(self, request: Seen) -> Answer:
        """What to answer. The stubs override it."""
        return Answer(status=HTTPStatus.NOT_FOUND, body=request.path.encode())

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def release(self) -> None:
        """Let go of every held body, now and later."""
        self._release.set()

    def held(self) -> bool:
        """Wait for ``release``; false when the test forgot it."""
        return self._release.wait(_HOLD_S_MAX)

    def seen(self, method: str, path_part: str) -> list[Seen]:
        """The requests so far of this method whose path holds ``path_part``."""
        return [
            entry for entry in self.requests if entry.method == method and path_part in entry.path
        ]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()


class _Listener(ThreadingHTTPServer):
    """The standard library's server, which knows whose answers to send.

    Its end is the end of its connections and their threads: a socket that outlives
    its test is collected during another one, and fails that with a warning.
    """

    daemon_threads = False  # else ``server_close`` does not wait for them

    def __init__(self, stub: StubServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stub = stub
        self._open: set[socket.socket] = set()

    def process_request(self, request: _Request, client_address: object) -> None:
        """Remember the connection until its thread closes it."""
        if isinstance(request, socket.socket):
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Request) -> None:
        """Called by the connection's thread at its end."""
        super().shutdown_request(request)
        if isinstance(request, socket.socket):
            self._open.discard(request)

    def end_connections(self) -> None:
        """Wake the threads that wait for a client which keeps its connection."""
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the test reads ``requests``."""

    def _stub(self) -> StubServer:
        return cast("_Listener", self.server).stub

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        length = int(headers.get("content-length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:  # the client ended in mid-request: it asked nothing
            self.close_connection = True
            return
        seen = Seen(self.command, unquote(parts.path), parts.query, headers, body)
        stub = self._stub()
        stub.requests.append(seen)
        answer = stub.answer(seen)
        try:
            if answer.faults is not None and answer.status == HTTPStatus.OK:
                self._send_file(answer, answer.faults, headers.get("range"))
            else:
                self._send_head(answer.status, answer.headers, len(answer.body))
                self._send_body(answer.body, Faults())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send_file(self, answer: Answer, faults: Faults, wanted: str | None) -> None:
        if faults.status is not None and faults.refusals > 0:
            faults.refusals -= 1
            self._send_head(faults.status, {}, 0)
            return
        size = len(answer.body)
        found = _RANGE.fullmatch(wanted or "")
        start = int(found[1]) if found and not faults.ignore_range else 0
        headers = {**answer.headers, "Accept-Ranges": "bytes"}
        if start and start >= size:
            headers["Content-Range"] = f"bytes */{size}"
            self._send_head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers, 0)
            return
        status = HTTPStatus.OK
        if found and not faults.ignore_range:
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self._send_head(status, headers, size - start)
        self._send_body(answer.body[start:], faults)

    def _send_head(self, status: int, headers: Mapping[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send_body(self, body: bytes, faults: Faults) -> None:
        if self.command == "HEAD":
            return
        end = len(body)
        if faults.cut_after is not None and faults.cuts > 0:
            faults.cuts -= 1
            end = min(faults.cut_after, end)
        hold_at = end if faults.hold_after is None else min(faults.hold_after, end)
        self._send_slowly(body[:hold_at], faults.rate_bytes_s)
        if hold_at < end:
            self._stub().held()
            self._send_slowly(body[hold_at:end], faults.rate_bytes_s)
        if end < len(body):
            self.close_connection = True

    def _send_slowly(self, body: bytes, rate_bytes_s: float | None) -> None:
        for start in range(0, len(body), _SENT_AT_ONCE_BYTES):
            piece = body[start : start + _SENT_AT_ONCE_BYTES]
            self.wfile.write(piece)
            if rate_bytes_s:
                time.sleep(len(piece) / rate_bytes_s)
