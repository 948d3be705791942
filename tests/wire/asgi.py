"""One request to an ASGI app; an endless stream is left after its first bytes."""

from typing import NamedTuple

import anyio
import msgspec
from starlette.types import ASGIApp, Message

ANSWER_WITHIN_S = 5.0


class Answer(NamedTuple):
    """Status, headers by lower-case name, and the body so far."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code in either dialect, or nothing."""
        try:
            found = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return ""
        error = found.get("error") if isinstance(found, dict) else None
        if isinstance(error, dict):
            return str(error.get("code", ""))
        return str(found.get("code", "")) if isinstance(found, dict) else ""


async def ask(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    query: str = "",
    raw_path: bytes | None = None,
) -> Answer:
    """Send one request as a browser-less client on this machine would.

    ``raw_path`` is the path as it was written, where that is not ``path`` itself.
    """
    given = {"host": "localhost", "content-length": str(len(body))} | (headers or {})
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode() if raw_path is None else raw_path,
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "headers": [(name.lower().encode(), text.encode()) for name, text in given.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 7833),
    }
    start: Message = {}
    seen = b""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if pending:
            return pending.pop()
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal seen
        if message["type"] == "http.response.start":
            start.update(message)
            return
        seen += message.get("body", b"")
        if not message.get("more_body", False) or seen:
            scope_of_request.cancel()

    with anyio.fail_after(ANSWER_WITHIN_S), anyio.CancelScope() as scope_of_request:
        await app(scope, receive, send)
    named = {name.decode().lower(): text.decode() for name, text in start["headers"]}
    return Answer(start["status"], named, seen)
