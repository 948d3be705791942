"""Errors as pages: whoever opens a worker's own page in a browser reads words, not JSON."""

import html
import re
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.types import Message, Send

from rbee.console.fallback import NO_PAGE
from rbee.contracts.daemon import Problem

OWN_PAGES_POLICY: Final = (
    # They bring everything with them; whatever slips in may load or run nothing.
    b"default-src 'none'; style-src 'unsafe-inline'; "
    b"frame-ancestors {framing}; base-uri 'none'; form-action 'none'"
)

_BYTES_MAX: Final = 16 * 1024  # a problem of ours has one; an engine's words are cut anyway

_CODE: Final = re.compile(r"`([^`]+)`")  # commands and settings in a problem's words

_TITLES: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "Sign in first",
    HTTPStatus.FORBIDDEN: "Not for this browser",
    HTTPStatus.NOT_FOUND: "No page here",
}


def explaining(send: Send, base_url: str, framing: str) -> Send:
    """``send`` that makes a page of a problem; every other answer goes out as it is.

    ``framing`` are the origins that may frame it, as a policy writes them.
    """
    held: Message | None = None
    body = bytearray()

    async def sending(message: Message) -> None:
        nonlocal held
        if message["type"] == "http.response.start":
            headers: dict[bytes, bytes] = dict(message.get("headers", []))
            is_problem = headers.get(b"content-type", b"").startswith(b"application/json")
            if message["status"] >= HTTPStatus.BAD_REQUEST and is_problem:
                held = message
                return
        if held is None:
            await send(message)
            return
        body.extend(message.get("body", b"")[: _BYTES_MAX - len(body)])
        if not message.get("more_body", False):
            await _send_page(send, held["status"], bytes(body), base_url, framing)

    return sending


async def _send_page(send: Send, status: int, body: bytes, base_url: str, framing: str) -> None:
    try:
        problem = msgspec.json.decode(body, type=Problem)
        message, remedy = problem.details, problem.remedy or ""
    except msgspec.MsgspecError:  # the engine's own words
        message, remedy = body.decode("utf-8", "replace")[:300], ""
    if status == HTTPStatus.UNAUTHORIZED:
        remedy = "Sign in at the console; this page opens then."
    page = NO_PAGE
    for name, text in {
        "title": _TITLES.get(status, "This page cannot be shown"),
        "message": message,
        "remedy": remedy,
        "base_url": base_url,
    }.items():
        page = page.replace(f"{{{name}}}", _CODE.sub(r"<code>\1</code>", html.escape(text)))
    content = page.encode()
    head = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", OWN_PAGES_POLICY.replace(b"{framing}", framing.encode())),
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": content})
