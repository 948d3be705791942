"""A daemon's own last lines: whole ones, numbered, without colours, bounded."""

import io
from typing import cast

import anyio
import httpx2
import msgspec
import pytest
from starlette.applications import Starlette

from rbee.foundation.http.log_api import log_routes
from rbee.foundation.http.problems import problem_response
from rbee.foundation.log_ring import LINE_CHARS_MAX, LogRing, Tee

pytestmark = pytest.mark.anyio


def texts(ring: LogRing, after: int = 0) -> list[str]:
    return [line.text for line in ring.after(after)]


def test_a_tee_passes_on_and_keeps_whole_lines() -> None:
    stream, ring = io.StringIO(), LogRing()
    tee = Tee(stream, ring)
    tee.write("half ")
    assert texts(ring) == []
    tee.write("a line\n\x1b[32mgreen\x1b[0m\n")
    assert stream.getvalue() == "half a line\n\x1b[32mgreen\x1b[0m\n"
    assert texts(ring) == ["half a line", "green"]
    assert texts(ring, 1) == ["green"]
    assert not tee.isatty()


def test_a_line_without_an_end_takes_no_more_than_a_line() -> None:
    stream, ring = io.StringIO(), LogRing()
    tee = Tee(stream, ring)
    for _ in range(10):
        tee.write("x" * LINE_CHARS_MAX)
    assert len(tee._begun) == LINE_CHARS_MAX
    tee.write("\n")
    assert texts(ring) == ["x" * LINE_CHARS_MAX]


def test_the_oldest_go_and_numbers_go_on() -> None:
    ring = LogRing(lines_max=3)
    for number in range(1, 6):
        ring.take(str(number) * LINE_CHARS_MAX)
    assert [line.number for line in ring.tail(9)] == [3, 4, 5]
    assert len(ring.tail(1)[0].text) == LINE_CHARS_MAX
    assert [line.number for line in ring.after(1)] == [3, 4, 5]
    assert ring.after(5) == []
    assert [line.number for line in ring.after(99)] == [3, 4, 5], "another life's number"


def client(ring: LogRing) -> httpx2.AsyncClient:
    app = Starlette(
        routes=log_routes(ring),
        exception_handlers={Exception: problem_response},
    )
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://daemon")


async def test_the_route_gives_the_last_lines_and_where_they_end() -> None:
    ring = LogRing()
    for word in ("one", "two", "three"):
        ring.take(word)
    async with client(ring) as http:
        found = await http.get("/v1/logs?lines=2")
        assert (found.text, found.headers["x-rbee-log-offset"]) == ("two\nthree\n", "3")
        refused = await http.get("/v1/logs?lines=many")
        assert refused.status_code == 400


async def test_a_followed_log_goes_on_after_the_last_line_seen() -> None:
    ring = LogRing()
    ring.take("old")
    sent: list[bytes] = []

    async def receive() -> dict[str, object]:
        await anyio.sleep_forever()
        return {}

    async def send(message: object) -> None:
        part = cast("dict[str, bytes]", message).get("body", b"")
        sent.append(part)
        if b"first" in part:
            ring.take("second")
        if b"second" in part:
            raise ConnectionResetError

    ring.take("first")
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/logs",
        "query_string": b"follow=1",
        "headers": [(b"last-event-id", b"1")],
    }
    (route,) = log_routes(ring)
    with pytest.raises((ConnectionResetError, ExceptionGroup)):
        await route.app(scope, receive, send)  # pyright: ignore[reportArgumentType]  Starlette's own types
    messages = [line for part in sent for line in part.split(b"\n") if line.startswith(b"data")]
    lines = [msgspec.json.decode(message.removeprefix(b"data: ")) for message in messages]
    assert lines == [{"line": "first"}, {"line": "second"}]
