"""Bodies in, within a limit."""

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from rbee.errors import TooLarge

BODY_BYTES_MAX = (
    32 * 1024 * 1024
)  # wire.md: a prompt of 128k tokens is under 1 MiB, images the rest


async def read_body(request: Request, *, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """A Starlette request's whole body.

    Raises:
        TooLarge: over ``bytes_max``, declared or seen.
    """
    return await receive_body(
        request.receive, request.headers.get("content-length"), bytes_max=bytes_max
    )


async def receive_body(
    receive: Receive, content_length: str | None, *, bytes_max: int = BODY_BYTES_MAX
) -> bytes:
    """A bare ASGI request's whole body; one chunk is returned as it came, without a copy.

    Raises:
        TooLarge: over ``bytes_max``, declared or seen.
        ClientDisconnect: the client left before the end of its body.
    """
    if content_length is not None and content_length.isdigit() and int(content_length) > bytes_max:
        raise _too_large(bytes_max)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            raise _too_large(bytes_max)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"The body is over the limit of {bytes_max // (1024 * 1024)} MiB.")
