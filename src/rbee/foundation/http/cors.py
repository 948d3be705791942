"""What a browser wants to hear before a page of an allowed origin may read an answer.

The gate has decided by then that the origin is allowed; these two only say so.
"""

from collections.abc import Mapping

from starlette.types import Message, Send

_PREFLIGHT_AGE_S = b"600"  # browsers cap it at two hours (Chromium) anyway


def with_cors(send: Send, origin: bytes) -> Send:
    """``send`` that names the origin in an answer's head."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message.get("headers", []),
                (b"access-control-allow-origin", origin),
                (b"vary", b"Origin"),
            ]
        await send(message)

    return sending


async def answer_preflight(send: Send, origin: bytes, headers: Mapping[bytes, bytes]) -> None:
    """Say that the origin may ask for real."""
    answer = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
        (b"access-control-max-age", _PREFLIGHT_AGE_S),
        (b"vary", b"Origin"),
    ]
    if asked := headers.get(b"access-control-request-headers"):
        answer.append((b"access-control-allow-headers", asked))
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})
