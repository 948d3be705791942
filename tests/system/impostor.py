"""A server that answers where the queen should, for the test of who is told a token."""

import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Self

import msgspec

from rbee.contracts.joining import ColonyCa
from rbee.foundation.identity.authority import make_authority
from rbee.foundation.identity.folder import save_identity
from rbee.foundation.identity.keys import make_key


class Impostor:
    """Answers where the queen should, over TLS, with a CA of its own."""

    def __init__(self, folder: Path) -> None:
        authority = make_authority(time.time())[0]
        key = make_key()
        pem = authority.issue_queen_server(key.public_key(), ["127.0.0.1"], time.time())
        identity = save_identity(folder / "impostor", key, pem, authority.pem)
        self.shown = authority.pem
        self.asked: list[str] = []
        impostor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                impostor.asked.append(f"GET {self.path}")
                body = msgspec.json.encode(ColonyCa(certificate=impostor.shown.decode()))
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                impostor.asked.append(f"POST {self.path}")
                self.send_error(500)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.cert_file, identity.key_file)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _QuietServer(HTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up in the handshake is what is tested."""
