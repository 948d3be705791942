"""Created keys on a real queen: what their scopes and models open, whose jobs they see, their end."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from starlette.types import Message

from rbee.contracts.keys import ApiKey, KeyMade
from rbee.contracts.models import Model
from rbee.queen.settings import Settings
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import Conversation, beat, raw_worker, ready_worker
from rbee.testing.waiting import until
from wire.asgi import ask

pytestmark = pytest.mark.anyio

COLONY = {"authorization": "Bearer made-up-colony-key"}
INFER = {"operation": "infer", "model": "m", "prompt": "hi", "stream": False, "raw": True}


async def speak(wire: Conversation) -> None:
    choice = {"index": 0, "text": "a", "finish_reason": "stop"}
    usage = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}
    await wire.stream({"object": "text_completion", "choices": [choice], "usage": usage})


@asynccontextmanager
async def colony() -> AsyncGenerator[RunningQueen]:
    """A queen with a colony key and one worker; `m` and `org/other:o.gguf` are her models."""
    settings = Settings(quiet_s=0.2, store="memory")
    async with (
        raw_worker(speak) as port,
        running_queen(settings=settings, key="made-up-colony-key") as running,
    ):
        models = [
            Model(id="m", name="m", status="available", aliases=["emm"]),
            Model(id="org/other:o.gguf", name="o.gguf", status="available"),
        ]
        seen = beat([ready_worker("w", port, slots=2)])
        seen.models = models
        running.queen.colony.beat(seen, anyio.current_time())
        await until(lambda: running.queen.keys._keyring.missing is None)
        yield running


async def made(running: RunningQueen, name: str, **wish: object) -> dict[str, str]:
    """A new key, as the header that shows it."""
    answer = await running.http.post("/v1/keys", json={"name": name, **wish}, headers=COLONY)
    assert answer.status_code == 201, answer.text
    return {"authorization": f"Bearer {answer.json()['key']}"}


async def complete(running: RunningQueen, key: dict[str, str], model: str = "m") -> httpx2.Response:
    return await running.http.post(
        "/v1/completions", json={"model": model, "prompt": "hi"}, headers=key
    )


async def test_operators_make_list_and_revoke_keys() -> None:
    async with colony() as running:
        answer = await running.http.post(
            "/v1/keys", json={"name": "alice", "requests_per_min": 9}, headers=COLONY
        )
        key = KeyMade(**answer.json()).key
        alice = {"authorization": f"Bearer {key}"}
        assert answer.headers["cache-control"] == "no-store"
        listed = await running.http.get("/v1/keys", headers=COLONY)
        (row,) = listed.json()["keys"]
        assert ApiKey(**row).name == "alice"
        assert key not in listed.text
        assert (await complete(running, alice)).status_code == 200
        for method, path in (("GET", "/v1/keys"), ("POST", "/v1/keys"), ("DELETE", "/v1/keys/a")):
            assert (await running.http.request(method, path, headers=alice)).status_code == 403
        gone = await running.http.delete(f"/v1/keys/{row['id']}", headers=COLONY)
        assert gone.json() == {"id": row["id"], "name": "alice"}
        assert (await complete(running, alice)).status_code == 401
        missing = await running.http.delete("/v1/keys/alice", headers=COLONY)
        assert (missing.status_code, missing.json()["code"]) == (404, "key_not_found")


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"name": ""},
        {"name": " x"},
        {"name": "a/b"},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["hive"]},
        {"name": "x", "scopes": ["everything"]},
        {"name": "x", "expires_in_s": 0},
        {"name": "x", "requests_per_min": 0},
        {"name": "x", "model": ["misspelt, so it would be no limit"]},
        {"name": "x", "priority": 101},
    ],
    ids=str,
)
async def test_a_wish_that_cannot_be_is_refused(wish: dict[str, Any]) -> None:
    async with colony() as running:
        answer = await running.http.post("/v1/keys", json=wish, headers=COLONY)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_key_sees_and_uses_its_models_alone() -> None:
    async with colony() as running:
        for patterns in (["m"], ["EMM"], ["e?m"]):
            alice = await made(running, f"alice {patterns}", models=patterns)
            listed = (await running.http.get("/v1/models", headers=alice)).json()
            assert [row["id"] for row in listed["data"]] == ["m"]
            assert (await complete(running, alice)).status_code == 200
            assert (await complete(running, alice, "EMM")).status_code == 200
            for name in ("org/other:o.gguf", "org/other", "o.gguf", "nobody/has-this"):
                refused = await complete(running, alice, name)
                assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
                hidden = await running.http.get(f"/v1/models/{name}", headers=alice)
                assert (hidden.status_code, hidden.json()["error"]["code"]) == (
                    404,
                    "model_not_found",
                )
        other = await made(running, "other", models=["org/other"])
        assert (await running.http.get("/v1/models/o.gguf", headers=other)).status_code == 200
        everything = await running.http.get("/v1/models", headers=COLONY)
        assert len(everything.json()["data"]) == 2


async def test_each_scope_opens_its_own_doors() -> None:
    rows = [
        ("inference", "POST", "/v1/completions", {"model": "m", "prompt": "hi"}),
        ("jobs", "POST", "/v1/jobs", INFER),
        ("read", "POST", "/v1/jobs", {"operation": "status"}),
        ("read", "GET", "/metrics", None),
        ("read", "GET", "/v1/plan?model=m", None),
        ("operator", "GET", "/v1/keys", None),
        ("operator", "POST", "/v1/jobs", {"operation": "model_list", "hive_id": "none"}),
        ("operator", "POST", "/v1/shutdown", {}),
    ]
    async with colony() as running:
        for scope in ("inference", "jobs", "read", "operator"):
            key = await made(running, scope, scopes=[scope])
            for wanted, method, path, body in rows:
                answer = await running.http.request(method, path, json=body, headers=key)
                opens = scope in {wanted, "operator"}
                assert (answer.status_code != 403) is opens, (scope, method, path, answer.text)
            for path in ("/v1/models", "/v1/info", "/v1/session"):
                assert (await running.http.get(path, headers=key)).status_code == 200


async def test_a_key_sees_and_cancels_its_own_jobs_alone() -> None:
    async with colony() as running:
        alice = await made(running, "alice", scopes=["jobs"])
        bob = await made(running, "bob", scopes=["jobs", "read"])
        http = running.http
        job = (await http.post("/v1/jobs", json=INFER, headers=alice)).json()["job_id"]
        events = await http.get(f"/v1/jobs/{job}/stream", headers=alice)
        assert "infer_complete" in events.text
        assert [row["job_id"] for row in await jobs_of(http, alice)] == [job]
        assert [row["job_id"] for row in await jobs_of(http, COLONY)] == [job]
        assert await jobs_of(http, bob) == []
        for method, path in (
            ("GET", f"/v1/jobs/{job}"),
            ("DELETE", f"/v1/jobs/{job}"),
            ("GET", f"/v1/jobs/{job}/stream"),
        ):
            hidden = await http.request(method, path, headers=bob)
            nowhere = await http.request(method, path.replace(job, "job-0"), headers=bob)
            assert (hidden.status_code, hidden.json()["code"]) == (404, "job_not_found")
            assert hidden.text.replace(job, "job-0") == nowhere.text
        assert (await http.get(f"/v1/jobs/{job}", headers=alice)).status_code == 200


async def jobs_of(http: httpx2.AsyncClient, key: dict[str, str]) -> list[dict[str, Any]]:
    answer = await http.get("/v1/jobs", headers=key)
    assert answer.status_code == 200
    return answer.json()["jobs"]


async def test_jobs_hold_to_models_and_limits() -> None:
    async with colony() as running:
        alice = await made(
            running, "alice", scopes=["jobs"], models=["m"], requests_per_min=2, tokens_per_min=60
        )
        other = {**INFER, "model": "org/other:o.gguf"}
        refused = await running.http.post("/v1/jobs", json=other, headers=alice)
        assert (refused.status_code, refused.json()["param"]) == (403, "$.model")
        job = (await running.http.post("/v1/jobs", json=INFER, headers=alice)).json()["job_id"]
        await running.http.get(f"/v1/jobs/{job}/stream", headers=alice)
        second = await running.http.post("/v1/jobs", json=INFER, headers=alice)
        await running.http.get(second.json()["sse_url"], headers=alice)
        third = await running.http.post("/v1/jobs", json=INFER, headers=alice)
        assert (third.status_code, third.json()["code"]) == (429, "rate_limited")
        assert third.headers["x-ratelimit-remaining-tokens"] == "0"  # 100 of 60 were used


async def test_a_quota_holds_at_every_door_and_is_shown() -> None:
    async with colony() as running:
        alice = await made(running, "alice", scopes=["jobs", "inference"], tokens_per_day=100)
        assert (await complete(running, alice)).status_code == 200
        job = await running.http.post("/v1/jobs", json=INFER, headers=alice)
        await running.http.get(job.json()["sse_url"], headers=alice)
        (row,) = (await running.http.get("/v1/keys", headers=COLONY)).json()["keys"]
        assert (row["tokens_per_day"], row["tokens_today"]) == (100, 100)
        for refused in (
            await complete(running, alice),
            await running.http.post("/v1/jobs", json=INFER, headers=alice),
        ):
            assert refused.status_code == 429
            assert "quota_exceeded" in refused.text
            assert 0 < int(refused.headers["retry-after"]) <= 86_400


async def test_a_stream_ends_when_its_key_is_revoked() -> None:
    async with colony() as running:
        watcher = await made(running, "watcher", scopes=["read"])
        lines: list[bytes] = []
        begun, ended = anyio.Event(), anyio.Event()

        async def watch() -> None:
            async with open_stream(running, watcher) as pieces:
                lines.extend([piece async for piece in _noting(pieces, begun)])
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await begun.wait()
            assert not ended.is_set()
            await running.http.delete("/v1/keys/watcher", headers=COLONY)
            with anyio.fail_after(2):
                await ended.wait()
        assert lines


async def _noting(pieces: AsyncGenerator[bytes], begun: anyio.Event) -> AsyncGenerator[bytes]:
    async for piece in pieces:
        begun.set()
        yield piece


@asynccontextmanager
async def open_stream(
    running: RunningQueen, key: dict[str, str]
) -> AsyncGenerator[AsyncGenerator[bytes]]:
    """The telemetry stream, piece by piece, through her app."""
    send_pieces, pieces = anyio.create_memory_object_stream[bytes](100)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/v1/heartbeats/stream",
        "raw_path": b"/v1/heartbeats/stream",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [
            (b"host", b"localhost"),
            (b"authorization", key["authorization"].encode()),
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 7833),
    }

    async def receive() -> Message:
        return await anyio.sleep_forever()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
        elif message.get("more_body"):
            await send_pieces.send(message["body"])
        else:
            send_pieces.close()

    async def read() -> AsyncGenerator[bytes]:
        async for piece in pieces:
            yield piece

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.queen.app, scope, receive, send)
        yield read()
        tasks.cancel_scope.cancel()
    pieces.close()


# ── browsers ─────────────────────────────────────────────────────────────────


async def test_a_browser_signs_in_uses_its_cookie_and_signs_out() -> None:
    async with colony() as running:
        key = (await made(running, "alice", scopes=["jobs", "inference"]))["authorization"][7:]
        signed_in = await running.http.post("/v1/session", json={"key": key})
        assert signed_in.status_code == 200
        cookie = signed_in.headers["set-cookie"].lower()
        for part in ("rbee_session=", "httponly", "samesite=strict", "path=/", "max-age=43200"):
            assert part in cookie, part
        assert "secure" not in cookie  # plain HTTP, on this machine
        assert key not in signed_in.text
        token = signed_in.json()["csrf_token"]
        looked = (await running.http.get("/v1/session")).json()
        assert (looked["name"], looked["csrf_token"]) == ("alice", token)
        assert looked["scopes"] == ["inference", "jobs"]
        assert (await running.http.get("/v1/jobs")).status_code == 200
        refused = await running.http.post("/v1/jobs", json=INFER)
        assert (refused.status_code, refused.json()["param"]) == (403, "X-CSRF-Token")
        accepted = await running.http.post("/v1/jobs", json=INFER, headers={"x-csrf-token": token})
        assert accepted.status_code == 200
        assert (await running.http.delete("/v1/session")).status_code == 403
        out = await running.http.delete("/v1/session", headers={"x-csrf-token": token})
        assert out.json() == {"signed_out": True}
        assert "max-age=0" in out.headers["set-cookie"].lower()
        assert (await running.http.get("/v1/session")).status_code == 401


async def test_signing_in_wants_a_right_key_and_is_counted() -> None:
    async with colony() as running:
        answers = [
            await running.http.post("/v1/session", json={"key": f"wrong {number}"})
            for number in range(11)
        ]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429]
        assert int(answers[-1].headers["retry-after"]) > 0
        right = await running.http.post("/v1/session", json={"key": "made-up-colony-key"})
        assert right.status_code == 429
        assert "set-cookie" not in right.headers


async def test_a_cookie_renews_no_session_and_a_key_may_come_in_its_header() -> None:
    async with colony() as running:
        first = await running.http.post("/v1/session", headers=COLONY)
        assert first.json()["scopes"] == ["operator"]
        token = first.json()["csrf_token"]
        again = await running.http.post("/v1/session", headers={"x-csrf-token": token})
        assert again.status_code == 401


async def test_over_tls_the_cookie_is_secure() -> None:
    async with colony() as running:
        async with httpx2.AsyncClient(
            transport=running.transport,
            base_url=running.daemon.base_url.replace("http:", "https:"),
        ) as http:
            answer = await http.post("/v1/session", headers=COLONY)
        assert "secure" in answer.headers["set-cookie"].lower()


async def test_another_site_can_neither_sign_in_nor_use_a_cookie() -> None:
    async with colony() as running:
        evil = {"origin": "http://evil.example"}
        body = json.dumps({"key": "made-up-colony-key"}).encode()
        refused = await ask(running.queen.app, "POST", "/v1/session", body=body, headers=evil)
        assert refused.status == 403
        assert "set-cookie" not in refused.headers
        await running.http.post("/v1/session", headers=COLONY)
        crossed = await running.http.get("/v1/keys", headers=evil)
        assert crossed.status_code == 403
        assert "access-control-allow-origin" not in crossed.headers


async def test_a_revoked_key_ends_its_sessions() -> None:
    async with colony() as running:
        key = (await made(running, "alice", scopes=["read"]))["authorization"][7:]
        await running.http.post("/v1/session", json={"key": key})
        assert (await running.http.get("/metrics")).status_code == 200
        await running.http.delete("/v1/keys/alice", headers=COLONY)
        assert (await running.http.get("/metrics")).status_code == 401
