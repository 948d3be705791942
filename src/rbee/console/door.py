"""The console's door, in front of a room's gate: its page and files are open to everyone.

They hold no secret: the same bytes are in every wheel. What they then ask for goes through the
gate, which wants the key; without one the page shows its sign-in. So a link on another site
may lead here, and a page of another site may neither embed the files nor learn that they are
here. A navigation to any path that is no API's gets the page, which finds its way by the path.
"""

import html
import re
from collections.abc import Callable, Mapping
from typing import Final

import anyio.to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from rbee.console.explaining import OWN_PAGES_POLICY, explaining
from rbee.console.fallback import FORBIDDEN, NOT_BUILT
from rbee.console.site import INDEX, Answer, Site

Headers = Mapping[bytes, bytes]

APIS: Final = ("/v1/", "/openai/", "/api/")
"""Below these a browser's navigation is an API's, too."""
_API_PATHS: Final = frozenset(
    {"/v1", "/openai", "/api", "/health", "/healthz", "/metrics", "/openapi.json"}
)
_WORKERS_OWN: Final = re.compile(r"/workers/[^/]+/ui(/|$)")  # a worker's own page: guarded
_SAFE: Final = frozenset({"GET", "HEAD"})

_COMMON: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

Origins = Callable[[str, str], list[str]]
"""From the scheme and host name of a request to the origins that may frame the page."""


def _nobody(_scheme: str, _host: str) -> list[str]:
    return []


class ConsoleDoor:
    """ASGI: the console's own paths are answered here, all others by ``app``.

    ``knows`` says whether the server answers to a request's Host. ``base_url`` is for the
    pages that are not the console.
    """

    def __init__(
        self,
        app: ASGIApp,
        site: Site,
        *,
        knows: Callable[[Headers], bool],
        base_url: Callable[[], str],
        ancestors: Origins = _nobody,
    ) -> None:
        self._app = app
        self._site = site
        self._knows = knows
        self._base_url = base_url
        self._ancestors = ancestors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or pass on untouched."""
        headers: dict[bytes, bytes] = dict(scope.get("headers", ()))
        if not _is_ours(scope, headers):
            if _is_shown_worker(scope, headers):
                send = explaining(send, self._base_url(), self._framing(scope, headers))
            await self._app(scope, receive, send)
            return
        known = self._knows(headers)
        path, wants_page = scope["path"], _wants_page(scope["path"], headers)
        found = None
        if known and not _is_foreign(headers):
            takes_gzip = b"gzip" in headers.get(b"accept-encoding", b"")
            found = await anyio.to_thread.run_sync(self._find, path, wants_page, takes_gzip)
        if found is not None:
            is_page = found.type.startswith("text/html")
            await _send(scope, send, found, self._policy(scope, headers) if is_page else None)
        elif not known and _takes_html(headers):
            await self._say(scope, send, 403, FORBIDDEN)
        elif wants_page and known and not _is_foreign(headers):
            await self._say(scope, send, 200 if path == "/" else 404, NOT_BUILT)
        else:
            await self._app(scope, receive, send)  # the gate says why not

    def _find(self, path: str, wants_page: bool, takes_gzip: bool) -> Answer | None:
        found = self._site.answer(path, takes_gzip=takes_gzip)
        if found is None and wants_page:
            return self._site.answer(INDEX, takes_gzip=takes_gzip)
        return found

    def _policy(self, scope: Scope, headers: Headers) -> str:
        """What the page may load, and who may frame it."""
        name = _host_in(headers)
        return (
            "default-src 'none'; script-src 'self'; connect-src 'self'; manifest-src 'self'; "
            # Libraries of the page place things by style elements; a style runs nothing.
            "style-src 'self' 'unsafe-inline'; font-src 'self' data:; worker-src 'self'; "
            "img-src 'self' data: blob:; media-src 'self' data: blob:; "
            # The panes: pages of a hive and of workers, on other ports of the same machine.
            f"frame-src 'self' http://{name}:* https://{name}:*; "
            f"frame-ancestors {self._framing(scope, headers)}; "
            "base-uri 'none'; form-action 'none'; object-src 'none'"
        )

    def _framing(self, scope: Scope, headers: Headers) -> str:
        return " ".join(["'self'", *self._ancestors(scope["scheme"], _host_in(headers))])

    async def _say(self, scope: Scope, send: Send, status: int, page: str) -> None:
        text = page.replace("{base_url}", html.escape(self._base_url()))
        body = text.encode()
        head = [
            *_COMMON,
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", OWN_PAGES_POLICY.replace(b"{framing}", b"'none'")),
        ]
        await send({"type": "http.response.start", "status": status, "headers": head})
        body = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": body})


def _is_ours(scope: Scope, headers: Headers) -> bool:
    """Whether a request may be for the page or a file of it."""
    if scope["type"] != "http" or scope["method"] not in _SAFE:
        return False
    path = scope["path"]
    if path in _API_PATHS or path.startswith(APIS) or _WORKERS_OWN.match(path):
        return False
    return "." in path.rpartition("/")[2] or _wants_page(path, headers)


def _is_shown_worker(scope: Scope, headers: Headers) -> bool:
    """Whether a person opens a worker's own page, so that an error should be one, too."""
    is_http = scope["type"] == "http" and scope["method"] in _SAFE
    return is_http and _WORKERS_OWN.match(scope["path"]) is not None and _takes_html(headers)


def _wants_page(path: str, headers: Headers) -> bool:
    """A browser that navigates asks for HTML; to ``/`` anyone may come as they like."""
    return path == "/" or _takes_html(headers)


def _takes_html(headers: Headers) -> bool:
    return b"text/html" in headers.get(b"accept", b"")


def _is_foreign(headers: Headers) -> bool:
    """Whether a page of another site wants it for itself, which a navigation is not."""
    origin = headers.get(b"origin")
    if origin is not None and origin.partition(b"://")[2] != headers.get(b"host"):
        return True
    site = headers.get(b"sec-fetch-site", b"none")
    return site == b"cross-site" and headers.get(b"sec-fetch-mode") != b"navigate"


def _host_in(headers: Headers) -> str:
    """The name in a Host header, brackets kept; nothing odd gets into a policy."""
    host = headers.get(b"host", b"").decode("latin-1")
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    good = all(letter.isalnum() or letter in ".-[]:" for letter in name) and name.isascii()
    return name if good and name else "localhost"


async def _send(scope: Scope, send: Send, found: Answer, policy: str | None) -> None:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    head = [
        *_COMMON,
        (b"content-type", found.type.encode()),
        (b"cache-control", found.caching.encode()),
        (b"etag", found.etag.encode()),
        (b"vary", b"accept-encoding"),
    ]
    if policy is not None:
        head.append((b"content-security-policy", policy.encode()))
    if headers.get(b"if-none-match") == found.etag.encode():
        await send({"type": "http.response.start", "status": 304, "headers": head})
        await send({"type": "http.response.body", "body": b""})
        return
    if found.gzipped:
        head.append((b"content-encoding", b"gzip"))
    head.append((b"content-length", str(len(found.body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": head})
    body = b"" if scope["method"] == "HEAD" else found.body
    await send({"type": "http.response.body", "body": body})
