"""The pages that an engine has itself, passed on below ``/workers/ID/ui/`` by hive and queen.

A request has passed the gate (operators only; ``is_page`` tells it these paths) and comes here
before the room's routes. What goes on is little: no cookie and no key of the browser's. What
comes back is little too, under a policy of ours, whatever the engine says: its page may speak
with its own worker alone, runs no script but its files and what stood in its first document,
and is framed by the console's pages alone. Paths below the prefix stay relative, so an engine
needs not know where it is mounted.
"""

import base64
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from typing import Final, TypeAlias
from urllib.parse import unquote

import anyio.to_thread
import httpx2
import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from rbee.errors import MethodNotAllowed, NotFound, RbeeError
from rbee.foundation import logs
from rbee.foundation.http.body import receive_body
from rbee.foundation.http.passing import pass_body
from rbee.foundation.http.problems import as_problem, send_problem

DOCUMENT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Longer ones are passed on as they come, and what stands inside them does not run: llama.cpp's
is 12 KiB, older ones were one large file."""

_PAGE: Final = re.compile(r"/workers/([^/]+)/ui(/.*)?")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE"})
_SENT: Final = (
    "accept", "accept-encoding", "accept-language", "content-type", "if-none-match", "range",
)  # fmt: skip
_KEPT: Final = (
    "accept-ranges", "cache-control", "content-disposition", "content-encoding", "content-length",
    "content-range", "content-type", "etag", "last-modified", "vary",
)  # fmt: skip
_SOURCE: Final = re.compile(rb"\ssrc\s*=")
_GZIP: Final = 16 + zlib.MAX_WBITS  # zlib's word for it
_STEPS: Final = frozenset({".", ".."})

_log = logs.get(__name__)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser wants of a worker's page. ``target`` is path and query below the prefix."""

    worker_id: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Open: TypeAlias = Callable[[Asked], AbstractAsyncContextManager[httpx2.Response]]
"""Asks the worker, by whatever way the room has; RbeeError where it has no page."""

Framing: TypeAlias = Callable[[str, str], list[str]]
"""From the scheme and host name of a request to the origins that may frame the page."""


def is_page(path: str) -> bool:
    """Whether a path is of a worker's own page."""
    return path.startswith("/workers/") and _PAGE.fullmatch(path) is not None


class OwnPages:
    """ASGI, behind the gate: a worker's own page, or else ``app``."""

    def __init__(self, app: ASGIApp, open_: Open, framing: Framing) -> None:
        self._app = app
        self._open = open_
        self._framing = framing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and its answer back as it comes."""
        found = _PAGE.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        try:
            if scope["method"] not in _METHODS:
                raise MethodNotAllowed(f"{scope['method']} is not allowed on {scope['path']}.")
            if not found[2]:  # without the slash the page's relative paths would miss
                await _redirect(send, f"{_written(scope)}/")
                return
            await self._pass(await _asked(scope, receive, found), scope, receive, send)
        except RbeeError as error:
            await send_problem(send, error, as_problem(error))

    async def _pass(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._open(asked) as answer:
            body: AsyncIterator[bytes] = answer.aiter_raw()
            hashes: list[str] = []
            if answer.headers.get("content-type", "").startswith("text/html"):
                begun, is_whole = await _begun(body)
                if is_whole:
                    encoding = answer.headers.get("content-encoding", "")
                    hashes = await anyio.to_thread.run_sync(_hashes, begun, encoding)
                body = _from(begun, body)
            head = [
                (name.encode(), answer.headers[name].encode("latin-1"))
                for name in _KEPT
                if name in answer.headers
            ]
            policy = self._policy(scope, asked.worker_id, hashes)
            head += [
                (b"content-security-policy", policy.encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"referrer-policy", b"no-referrer"),
                (b"cross-origin-resource-policy", b"same-origin"),
            ]
            start = {"type": "http.response.start", "status": answer.status_code, "headers": head}
            await send(start)
            cut = await pass_body(body, receive, send)
        if cut is not None:  # the page sees a cut, as it would without us
            _log.info("worker's page cut", worker_id=asked.worker_id, reason=type(cut).__name__)

    def _policy(self, scope: Scope, worker_id: str, hashes: list[str]) -> str:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        own = f"{scope['scheme']}://{host}/workers/{worker_id}/ui/"
        framing = " ".join(["'self'", *self._framing(scope["scheme"], name)])
        scripts = " ".join(["'self'", *hashes])
        return (
            f"default-src 'none'; script-src {scripts} 'wasm-unsafe-eval'; "
            f"connect-src {own} data: blob:; style-src 'self' 'unsafe-inline'; "
            "font-src 'self' data:; img-src 'self' data: blob:; media-src 'self' data: blob:; "
            "manifest-src 'self'; worker-src 'self' blob:; frame-src 'self' blob:; "
            f"frame-ancestors {framing}; base-uri 'self'; form-action 'self'; object-src 'none'"
        )


async def _asked(scope: Scope, receive: Receive, found: re.Match[str]) -> Asked:
    headers = {name.decode().lower(): text.decode("latin-1") for name, text in scope["headers"]}
    below, query = _below(scope), scope.get("query_string", b"").decode("latin-1")
    return Asked(
        worker_id=found[1],
        method=scope["method"],
        target=f"{below}?{query}" if query else below,
        headers={name: headers[name] for name in _SENT if name in headers},
        body=await receive_body(receive, headers.get("content-length")),
    )


def _written(scope: Scope) -> str:
    """The path with its escapes: what they stand for has no place in a header."""
    return (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")


def _below(scope: Scope) -> str:
    """The path below the prefix as it was written.

    Raises:
        NotFound: written otherwise it would be another path, or a step in it leads out of the page.
    """
    found = _PAGE.fullmatch(_written(scope))
    if found is None or not _STEPS.isdisjoint(unquote(found[2] or "").split("/")):
        raise NotFound("There is no such page of a worker.", remedy="Begin at its `/ui/`.")
    return found[2] or "/"


async def _begun(body: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """A document, and whether that is all of it: what is too long is not gathered."""
    found = bytearray()
    async for part in body:
        found += part
        if len(found) > DOCUMENT_BYTES_MAX:
            return bytes(found), False
    return bytes(found), True


async def _from(begun: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    async for part in rest:
        yield part


def _hashes(document: bytes, encoding: str) -> list[str]:
    """The policy's words for the scripts that stand inside a document itself; blocking."""
    plain = document
    if encoding == "gzip":
        try:
            plain = zlib.decompressobj(_GZIP).decompress(document, DOCUMENT_BYTES_MAX + 1)
        except zlib.error:
            return []
    if encoding not in {"", "gzip", "identity"} or len(plain) > DOCUMENT_BYTES_MAX:
        return []
    digests = (sha256(script).digest() for script in _inline(plain) if script.strip())
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def _inline(document: bytes) -> Iterator[bytes]:
    """What stands between ``<script>`` and its end; in one walk, whatever stands there."""
    lower, at = document.lower(), 0
    while (tag := lower.find(b"<script", at)) >= 0:
        begin = lower.find(b">", tag) + 1
        end = lower.find(b"</script", begin)
        if not begin or end < 0:
            return
        if _SOURCE.search(lower, tag, begin) is None:
            yield document[begin:end]
        at = end


async def _redirect(send: Send, target: str) -> None:
    head = [(b"location", target.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": head})
    await send({"type": "http.response.body", "body": b""})
