"""Answers of hives that pass through the queen: a hive that lies stays a hive."""

from collections.abc import AsyncGenerator

import httpx2
import msgspec
import pytest

from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import beat
from wire.asgi import ask

pytestmark = pytest.mark.anyio


class LyingHive(httpx2.AsyncBaseTransport):
    """The wire to a hive that answers everything with a page."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.raw_path.decode())
        headers = {"content-type": "text/html", "set-cookie": "a=1", "location": "http://evil"}
        return httpx2.Response(200, headers=headers, content=_page())


async def _page() -> AsyncGenerator[bytes]:
    yield b"<script>command()</script>"


async def _beats(running: RunningQueen, hive_id: str) -> None:
    content = msgspec.json.encode(beat([], hive_id=hive_id))
    assert (await running.http.post("/v1/hive-heartbeat", content=content)).status_code == 200


async def test_a_page_of_a_hive_runs_nothing_on_the_queens_origin() -> None:
    async with running_queen(hive_http=LyingHive()) as running:
        await _beats(running, "lab-1")
        found = await running.http.get("/v1/hives/lab-1/info")
    assert found.status_code == 200
    assert found.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in found.headers
    assert "location" not in found.headers


@pytest.mark.parametrize("worker", ["..", "."])
async def test_a_name_is_no_step_to_another_door(worker: str) -> None:
    hive = LyingHive()
    async with running_queen(hive_http=hive) as running:
        await _beats(running, "lab-1")
        path = f"/v1/hives/lab-1/workers/{worker}/logs"
        found = await ask(running.queen.app, "GET", path)
    assert (found.status, found.code) == (404, "worker_not_found")
    assert not hive.asked
