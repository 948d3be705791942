"""The queen's real app, called in process: every route of her control plane."""

import json
from typing import Any

import msgspec
import pytest

from rbee.contracts.hives import Heartbeat
from rbee.contracts.models import Model
from rbee.errors import HiveNotFound
from rbee.queen.api.heartbeats import READY_BYTES_MAX
from rbee.queen.api.not_yet import LINES
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import beat, ready_worker

pytestmark = pytest.mark.anyio


async def send_beat(running: RunningQueen, one: Heartbeat) -> dict[str, Any]:
    answer = await running.http.post("/v1/hive-heartbeat", content=msgspec.json.encode(one))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def events_of(running: RunningQueen, operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a job, without the closing ``[DONE]`` (which must be there)."""
    accepted = await running.http.post("/v1/jobs", content=json.dumps(operation))
    assert accepted.status_code == 200, accepted.text
    stream = await running.http.get(accepted.json()["sse_url"])
    data = [line[6:] for line in stream.text.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [json.loads(line) for line in data[:-1]]


async def test_health_is_open_and_everything_else_wants_the_key() -> None:
    async with running_queen(key="k" * 32) as running:
        assert (await running.http.get("/health")).json() == {"status": "ok"}
        for method, path in [
            ("GET", "/v1/info"),
            ("GET", "/v1/jobs"),
            ("POST", "/v1/jobs"),
            ("GET", "/v1/jobs/x"),
            ("DELETE", "/v1/jobs/x"),
            ("GET", "/v1/jobs/x/stream"),
            ("POST", "/v1/hive/ready"),
            ("POST", "/v1/hive-heartbeat"),
            ("GET", "/v1/heartbeats/stream"),
            ("POST", "/v1/shutdown"),
            ("GET", "/v1/models"),
            ("POST", "/openai/v1/chat/completions"),
            ("GET", "/nowhere"),
            *LINES,
        ]:
            answer = await running.http.request(method, path)
            assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
        headers = {"authorization": f"Bearer {'k' * 32}"}
        assert (await running.http.get("/v1/info", headers=headers)).status_code == 200


async def test_a_page_of_another_site_and_a_forged_host_are_refused_in_the_paths_dialect() -> None:
    async with running_queen() as running:
        evil = await running.http.get("/v1/info", headers={"origin": "https://evil.example"})
        assert (evil.status_code, evil.json()["code"]) == (403, "forbidden")
        forged = await running.http.get("/v1/models", headers={"host": "evil.example"})
        assert (forged.status_code, forged.json()["error"]["code"]) == (403, "forbidden")


async def test_info_says_who_she_is() -> None:
    async with running_queen() as running:
        info = (await running.http.get("/v1/info")).json()
        assert info["service"] == "queen"
        assert (info["base_url"], info["port"]) == (running.daemon.base_url, running.daemon.port)
        assert "auto_download" in info["features"]


@pytest.mark.parametrize(("method", "path"), LINES)
async def test_what_is_not_delivered_yet_says_so(method: str, path: str) -> None:
    async with running_queen() as running:
        answer = await running.http.request(method, path.replace("{job_id}", "j"))
        assert answer.status_code == 501
        body = answer.json()
        under_openai = path.startswith("/openai/") or isinstance(body["error"], dict)
        assert (body["error"]["code"] if under_openai else body["code"]) == "not_yet"


async def test_unknown_paths_and_methods_are_problems() -> None:
    async with running_queen() as running:
        nowhere = await running.http.get("/v1/nowhere")
        assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
        wrong = await running.http.put("/v1/jobs")
        assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
        openai = await running.http.get("/openai/nowhere")
        assert openai.json()["error"]["code"] == "not_found"


async def test_a_hive_joins_beats_and_is_seen() -> None:
    async with running_queen() as running:
        message = {"hive_id": "hive", "hive_url": "http://127.0.0.1:7835", "token": None}
        joined = await running.http.post("/v1/hive/ready", json=message)
        assert joined.json() == {"status": "accepted", "message": "welcome"}
        ack = await send_beat(running, beat([ready_worker("w1", 9001)]))
        assert ack == {"status": "ok", "message": "", "wanted": ["capabilities"]}
        models = (await running.http.get("/v1/models")).json()["data"]
        assert [(row["id"], row["rbee"]["state"]) for row in models] == [("m", "ready")]


async def test_bad_beats_are_named_and_change_nothing() -> None:
    async with running_queen() as running:
        for path, body, param in [
            ("/v1/hive-heartbeat", b"", "$"),
            ("/v1/hive-heartbeat", b"[]", "$"),
            ("/v1/hive-heartbeat", b'{"hive_id": "h"}', "$.hive_info"),
            ("/v1/hive/ready", b'{"hive_id": "h"}', "$.hive_url"),
            ("/v1/hive/ready", b'{"hive_id": "", "hive_url": "http://h:1"}', "$.hive_id"),
            ("/v1/hive/ready", b'{"hive_id": "h", "hive_url": "gopher://h"}', "$.hive_url"),
        ]:
            answer = await running.http.post(path, content=body)
            assert (answer.status_code, answer.json()["param"]) == (400, param)
        large = await running.http.post("/v1/hive/ready", content=b" " * (READY_BYTES_MAX + 1))
        assert large.status_code == 413
        assert running.queen.colony.hives() == []


async def test_status_lists_hives_and_workers_without_their_keys() -> None:
    async with running_queen() as running:
        await send_beat(running, beat([ready_worker("w1", 9001)]))
        events = await events_of(running, {"operation": "status"})
        assert [event["action"] for event in events] == [
            "status_start",
            "status_hives",
            "status_workers",
            "status_complete",
        ]
        assert events[1]["data"][0]["hive_id"] == "hive"
        assert events[2]["data"][0]["worker"]["worker_id"] == "w1"
        assert events[3]["data"] == {
            "hives": 1,
            "hives_available": 1,
            "workers": 1,
            "workers_available": 1,
            "models": 1,
            "waiting": 0,
        }
        assert "secret" not in json.dumps(events)


async def test_a_hives_operation_without_a_hive_is_told_where_to_go() -> None:
    async with running_queen() as running:
        lost = await running.http.post("/v1/jobs", json={"operation": "model_list"})
        assert (lost.status_code, lost.json()["param"]) == (400, "$.hive_id")
        assert "http://localhost:7835" in lost.json()["remedy"]
        await send_beat(running, beat([]))
        lost = await running.http.post("/v1/jobs", json={"operation": "model_list"})
        assert "http://127.0.0.1:7835" in lost.json()["remedy"]
        unknown = {"operation": "model_list", "hive_id": "nowhere"}
        answer = await running.http.post("/v1/jobs", json=unknown)
        assert (answer.status_code, answer.json()["code"]) == (404, HiveNotFound.code)


async def test_without_a_key_only_this_machine_may_stop_her() -> None:
    async with running_queen(client=("192.0.2.7", 50_000)) as running:
        refused = await running.http.post("/v1/shutdown")
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_api_key")
    async with running_queen() as running:
        answer = await running.http.post("/v1/shutdown", content=b'{"keep_workers": true}')
        assert answer.json()["status"] == "stopping"
        await running.daemon.stop.wait()
        assert running.daemon.stop.keep_workers


async def test_draining_sends_the_waiting_away_and_admits_nobody() -> None:
    async with running_queen() as running:
        await running.queen.dispatcher.drain(1.0)
        body = {"model": "starter", "messages": []}
        answer = await running.http.post("/v1/chat/completions", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "shutting_down")


async def test_telemetry_begins_with_the_present_and_goes_on_with_beats() -> None:
    async with running_queen() as running:
        await send_beat(running, beat([ready_worker("w1", 9001)], at=1.0))
        frames = running.queen.telemetry.frames()
        counts = json.loads((await anext(frames))[6:])
        assert (counts["type"], counts["workers_available"], counts["hive_ids"]) == (
            "queen",
            1,
            ["hive"],
        )
        assert json.loads((await anext(frames))[6:])["workers"][0]["worker_id"] == "w1"
        await send_beat(running, beat([ready_worker("w2", 9002)], at=2.0))
        live = await anext(frames)
        assert json.loads(live[6:])["workers"][0]["worker_id"] == "w2"
        assert live.startswith(b"data: ")  # unnamed: a browser's onmessage must fire
        assert b"secret" not in live
        await frames.aclose()


async def test_a_listener_that_falls_far_behind_is_cut_off_with_a_word() -> None:
    async with running_queen() as running:
        frames = running.queen.telemetry.frames()
        await anext(frames)
        for second in range(1001):
            running.queen.telemetry.beat(beat([], at=float(second)))
        rest = [frame async for frame in frames]
        assert rest[-1].startswith(b": ")
        assert b"subscribe again" in rest[-1]


async def test_unknown_models_are_not_found_through_both_doors() -> None:
    async with running_queen() as running:
        one = beat([])
        one.models = [Model(id="m", name="m")]
        await send_beat(running, one)
        body = {"model": "nonsense", "messages": []}
        door = await running.http.post("/v1/chat/completions", json=body)
        assert (door.status_code, door.json()["error"]["code"]) == (404, "model_not_found")
        events = await events_of(
            running, {"operation": "infer", "model": "nonsense", "prompt": "x"}
        )
        assert events[-1]["action"] == "error"
        assert events[-1]["data"]["code"] == "model_not_found"
