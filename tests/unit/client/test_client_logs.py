"""Following a log: what is no log is told in words."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx2
import pytest

from rbee.client.logs import QUEEN_LOG_PATH, followed
from rbee.client.transport import Transport
from rbee.errors import QueenUnreachable, RemoteError

pytestmark = pytest.mark.anyio


class Saying(httpx2.AsyncBaseTransport):
    """A server that answers everything with these bytes."""

    def __init__(self, said: bytes) -> None:
        self.said = said

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        del request

        async def body() -> AsyncGenerator[bytes]:
            yield self.said

        return httpx2.Response(200, content=body())


@pytest.mark.parametrize("said", [b'id: 1\ndata: {"no": "line"}\n\n', b"data: <html>\n\n"])
async def test_what_is_no_log_is_told_in_words(said: bytes) -> None:
    transport = Transport("http://queen", unreachable=QueenUnreachable, http=Saying(said))
    async with transport, aclosing(followed(transport, QUEEN_LOG_PATH, 5)) as lines:
        with pytest.raises(RemoteError, match="no log"):
            await anext(lines)
