"""Deny by default: every route that the two servers really have, by every method, without a key.

The routes are found in the running apps, not in a list of ours: one that somebody adds is
walked from then on, and is closed unless it stands here as open on purpose.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from types import CellType, FunctionType

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message

from rbee.contracts.principals import KeyScope, KeySetting, Scope
from rbee.foundation.http.server import bind, make_server, port_of
from rbee.queen.api.access import scopes_for
from rbee.queen.api.dialects import ENDPOINTS, PREFIXES
from rbee.queen.api.openai import models_path
from rbee.queen.settings import Settings
from rbee.testing.queens import RunningQueen, running_queen
from wire.asgi import Answer, ask
from wire.conftest import KEY
from wire.table import Server

pytestmark = pytest.mark.anyio

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FROB"]

OPEN = {
    ("queen", "GET", "/"),  # the console: its files are in every wheel
    ("queen", "HEAD", "/"),
    ("hive", "GET", "/"),
    ("hive", "HEAD", "/"),
    ("queen", "GET", "/v1/hive/ca"),
    ("queen", "HEAD", "/v1/hive/ca"),
    ("queen", "POST", "/v1/hive/join"),
}
"""Beside ``/health`` these alone answer without a key; a sign-in has it in its body."""

FILLED = {"model": "some%2Fmodel", "sha256": "0" * 64}


def starlettes_in(value: object, seen: set[int]) -> Iterator[Starlette]:
    """Every Starlette app inside an ASGI app, however it is wrapped."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Starlette):
        yield value
        return
    inside: list[object] = []
    if isinstance(value, FunctionType):
        inside += value.__closure__ or ()
    elif isinstance(value, CellType):
        inside.append(value.cell_contents)
    elif callable(value) and hasattr(value, "__dict__"):
        inside += vars(value).values()
    for part in inside:
        yield from starlettes_in(part, seen)


def paths_of(server: Server, app: ASGIApp) -> list[str]:
    """Every path of a server, with its parameters filled in."""
    found: set[str] = {"/", "/nowhere", "/v1/nowhere", "/health/deeper"}
    for inner in starlettes_in(app, set()):
        found |= {path_of(route) for route in inner.routes}
    if server == "queen":
        found |= set(ENDPOINTS)
        found |= {f"{prefix}models{more}" for prefix in PREFIXES for more in ("", "/some/model")}
    return sorted(found - {"/health"})


def path_of(route: BaseRoute) -> str:
    assert isinstance(route, Route), "a route of another kind: say here how it is walked"
    return re.sub(r"\{(\w+)[^}]*\}", lambda name: FILLED.get(name[1], "some-id"), route.path)


async def test_the_walk_finds_what_there_is(apps: dict[Server, ASGIApp]) -> None:
    queen, hive = (paths_of(server, apps[server]) for server in ("queen", "hive"))
    assert {"/v1/keys", "/v1/jobs/some-id/stream", "/v1/shutdown", "/metrics"} <= set(queen)
    assert {"/v1/jobs", "/v1/workers/some-id/logs", "/v1/shutdown", "/metrics"} <= set(hive)


@pytest.mark.parametrize("key", [KEY])
@pytest.mark.parametrize("server", ["queen", "hive"])
async def test_without_a_key_every_route_answers_401(
    apps: dict[Server, ASGIApp], server: Server
) -> None:
    shown: list[dict[str, str]] = [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": KEY},
        {"x-api-key": f"{KEY}x"},
        {"cookie": "rbee_session=made-up"},
        {"x-rbee-ticket": "made-up"},
    ]
    open_now: set[tuple[str, str, str]] = set()
    for path in paths_of(server, apps[server]):
        for method in METHODS:
            for headers in shown:
                answer = await ask(apps[server], method, path, headers=headers)
                if answer.status != 401:
                    open_now.add((server, method, path))
                    assert is_refused(answer) or (server, method, path) in OPEN, (
                        method,
                        path,
                        headers,
                        answer,
                    )
                else:
                    assert answer.headers["www-authenticate"] == "Bearer"
    wrong_tickets = {(server, method, f"/v1/models/files/{'0' * 64}") for method in METHODS}
    assert open_now - wrong_tickets <= OPEN


def is_refused(answer: Answer) -> bool:
    """A made-up ticket is refused by the door that reads tickets, before the gate."""
    return answer.status in {403, 429} and answer.code in {"forbidden", "rate_limited"}


@pytest.mark.parametrize("key", [KEY])
@pytest.mark.parametrize("server", ["queen", "hive"])
async def test_no_websocket_is_opened_without_a_key(
    apps: dict[Server, ASGIApp], server: Server
) -> None:
    for path in [*paths_of(server, apps[server]), "/v1/hive/link", "/v1/ws"]:
        if (server, "GET", path) in OPEN:
            continue
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message, sent: list[Message] = sent) -> None:
            sent.append(message)

        scope = {
            "type": "websocket",
            "path": path,
            "headers": [(b"host", b"localhost")],
            "query_string": b"",
            "subprotocols": [],
        }
        await apps[server](scope, receive, send)
        assert [message["type"] for message in sent] == ["websocket.close"], path


# ── what keys and certificates open, and no more ─────────────────────────────

ALLOWED: dict[str, list[str]] = {
    "inference": [*ENDPOINTS, "/v1/messages", "/v1/responses", "/v1/audio", "/v1/images"],
    "jobs": ["/v1/jobs"],
    "read": ["/v1/jobs", "/metrics", "/v1/plan", "/v1/heartbeats", "/v1/state", "/v1/ws"],
}
ANY_KEY = ["/v1/info", "/v1/session", "/openapi.json"]


def may(scope: str, path: str) -> bool:
    if path in {"/", "/health"} or models_path(path) is not None or path in ANY_KEY:
        return True
    if path.startswith("/openai/"):
        return scope == "inference"
    if path.endswith("/why") or path == "/v1/requests":  # not what lies below: that cancels
        return scope == "read"
    return path.startswith(tuple(ALLOWED[scope]))


@pytest.mark.parametrize("key", [KEY])
@pytest.mark.parametrize("scope", ["inference", "jobs", "read"])
async def test_a_key_opens_what_its_scope_says(
    queen_app: ASGIApp, keyed: dict[str, str], scope: KeyScope
) -> None:
    headers = {"authorization": f"Bearer {keyed[scope]}"}
    for path in paths_of("queen", queen_app):
        for method in METHODS:
            if ("queen", method, path) in OPEN:
                continue
            answer = await ask(queen_app, method, path, headers=headers)
            if not may(scope, path):
                assert (answer.status, answer.code) == (403, "forbidden"), (method, path)


@pytest.fixture
def keyed() -> dict[str, str]:
    return {scope: f"made-up {scope}" for scope in ("inference", "jobs", "read")}


@pytest.fixture
def queen_settings(keyed: dict[str, str]) -> Settings:
    keys = [
        KeySetting(name=scope, sha256=sha256(text.encode()).hexdigest(), scopes=[scope])  # pyright: ignore[reportArgumentType]  the three words
        for scope, text in keyed.items()
    ]
    return Settings(store="memory", keys=keys)


async def test_a_hives_certificate_opens_a_hives_routes_alone(queen_app: ASGIApp) -> None:
    opened: set[str] = set()
    for path in paths_of("queen", queen_app):
        for method in METHODS:
            wanted: frozenset[Scope] = scopes_for(method, path)
            if "hive" in wanted or "open" in wanted:
                opened.add(path)
    assert opened == {
        "/v1/hive/ca",
        "/v1/hive/join",
        "/v1/hive-heartbeat",
        "/v1/hive/ready",
        "/v1/hive/link",
        "/v1/hive/renew",
        "/v1/hive/models/seek",
        f"/v1/hives/some-id/models/files/{'0' * 64}",
        "/v1/info",
        "/v1/session",
    }


# ── the hot door, before ASGI, over real sockets ─────────────────────────────


@asynccontextmanager
async def served(running: RunningQueen) -> AsyncGenerator[httpx2.AsyncClient]:
    sockets = bind("127.0.0.1", 0)
    serving = make_server(running.queen.app, running.queen.hot)
    task = asyncio.create_task(serving.serve(sockets=sockets))
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port_of(sockets[0])}") as http:
            yield http
    finally:
        serving.should_exit = True
        await task


async def test_the_hot_door_is_behind_the_same_gate() -> None:
    async with running_queen(key=KEY) as running, served(running) as http:
        for path in ENDPOINTS:
            for headers in ({}, {"x-api-key": "wrong"}, {"cookie": "rbee_session=x"}):
                answer = await http.post(path, json={"model": "m"}, headers=headers)
                assert answer.status_code == 401, (path, headers)
            forged = await http.post(path, json={"model": "m"}, headers={"host": "evil.example"})
            assert forged.status_code == 403, path


UPGRADE = (
    "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ("", b"401"),
        ("authorization: Bearer wrong\r\n", b"401"),
        ("authorization: Bearer made-up inference\r\n", b"403"),
        ("authorization: Bearer made-up read\r\n", b"403"),
        (f"authorization: Bearer {KEY}\r\norigin: http://evil.example\r\n", b"403"),
        (f"authorization: Bearer {KEY}\r\n", b"101"),
    ],
)
async def test_an_upgrade_passes_the_gate_too(
    queen_settings: Settings, shown: str, status: bytes
) -> None:
    async with running_queen(settings=queen_settings, key=KEY) as running, served(running) as http:
        port = http.base_url.port
        for path in ("/v1/hive/link", "/v1/hive/link?lane=bulk"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{UPGRADE}{shown}\r\n"
            writer.write(head.encode())
            answered = await reader.readline()
            writer.close()
            assert answered.split()[1] == status


async def test_a_revoked_key_is_refused_on_the_connection_that_it_had() -> None:
    async with running_queen(key=KEY) as running, served(running) as http:
        colony = {"authorization": f"Bearer {KEY}"}
        made = await http.post("/v1/keys", json={"name": "alice"}, headers=colony)
        alice = {"authorization": f"Bearer {made.json()['key']}"}
        for _ in range(3):  # from the second time on its head is known to the quick lane
            answer = await http.post("/v1/completions", json={"model": "m"}, headers=alice)
            assert answer.status_code in {404, 503}  # no hive has it: but the key is good
        await http.delete("/v1/keys/alice", headers=colony)
        answer = await http.post("/v1/completions", json={"model": "m"}, headers=alice)
        assert answer.status_code == 401
