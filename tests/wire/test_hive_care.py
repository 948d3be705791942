"""The queen's doors for looking after hives: stop, forget, and SSH that is off until it is set up."""

import json
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from rbee.queen.settings import Settings
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import beat

pytestmark = pytest.mark.anyio


class StoppableHive(httpx2.AsyncBaseTransport):
    """The wire to a hive that is asked to end, and does."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        self.asked.append((request.url.path, json.loads(body)))
        return httpx2.Response(200, json={"status": "stopping", "message": "It ends."})


async def _beats(running: RunningQueen, hive_id: str) -> None:
    content = msgspec.json.encode(beat([], hive_id=hive_id))
    assert (await running.http.post("/v1/hive-heartbeat", content=content)).status_code == 200


async def test_stop_goes_to_the_hive_itself_and_says_whether_workers_stay() -> None:
    hive = StoppableHive()
    async with running_queen(hive_http=hive) as running:
        await _beats(running, "lab-1")
        answer = await running.http.post("/v1/hives/lab-1/stop", json={"keep_workers": True})
        assert answer.status_code == 200, answer.text
        assert hive.asked == [("/v1/shutdown", {"keep_workers": True})]
        unknown = await running.http.post("/v1/hives/nobody/stop")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "hive_not_found")


async def test_a_hive_that_answers_is_not_forgotten() -> None:
    async with running_queen() as running:
        await _beats(running, "lab-1")
        answer = await running.http.delete("/v1/hives/lab-1")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        unknown = await running.http.delete("/v1/hives/nobody")
        assert unknown.json()["code"] == "hive_not_found"


async def test_ssh_is_off_until_a_key_is_named() -> None:
    async with running_queen() as running:
        state = (await running.http.get("/v1/hive-install")).json()
        assert state["enabled"] is False
        assert "ssh_key" in state["remedy"]
        asked = {"operation": "hive_install", "host": "box"}
        job = (await running.http.post("/v1/jobs", json=asked)).json()
        said = (await running.http.get(job["sse_url"])).text
        assert '"code":"conflict"' in said
        assert "rbee hive install" in said


async def test_with_a_key_the_public_half_is_shown_and_never_the_other(tmp_path: Path) -> None:
    key = tmp_path / "ssh_key"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n")
    settings = Settings(store="memory", ssh_key=str(key))
    async with running_queen(settings=settings) as running:
        state = (await running.http.get("/v1/hive-install")).json()
        assert (state["enabled"], state["public_key"]) == (True, None)
        key.with_name("ssh_key.pub").write_text("ssh-ed25519 AAAA rbee\n")
        state = (await running.http.get("/v1/hive-install")).json()
        assert state["public_key"] == "ssh-ed25519 AAAA rbee"
        key.with_name("ssh_key.pub").write_text(key.read_text())
        assert (await running.http.get("/v1/hive-install")).json()["public_key"] is None
        bad = {"operation": "hive_install", "host": "box", "settings": {"a b": "c"}}
        refused = await running.http.post("/v1/jobs", json=bad)
        assert (refused.status_code, refused.json()["param"]) == (400, "$.settings")
