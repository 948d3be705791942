"""Every route of the table on the real servers: what is due answers, the rest says 501.

And no route, due or not, is reached past the gate.
"""

import json
import re
import socket

import pytest
from starlette.types import ASGIApp

from wire.asgi import Answer, ask
from wire.conftest import KEY
from wire.table import DELIVERED, OPERATIONS, ROUTES, Operation, Route, Server

pytestmark = pytest.mark.anyio

DUE = [route for route in ROUTES if route.step <= DELIVERED]
LATER = [route for route in ROUTES if route.step > DELIVERED]

Apps = dict[Server, ASGIApp]


@pytest.fixture(autouse=True)
def _no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wire tests talk to no one: whoever tries hears that nobody is there."""

    def refuse(_self: socket.socket, address: object) -> None:
        raise ConnectionRefusedError(f"a wire test connects to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def route_id(route: Route) -> str:
    return f"{route.server} {route.method} {route.path}"


def path_of(route: Route) -> str:
    return re.sub(r"\{\w+\}", "org%2Fname" if "model" in route.path else "job-1", route.path)


async def asked(apps: Apps, route: Route, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return await ask(apps[route.server], route.method, path_of(route), body=b"", headers=named)


def is_routed(answer: Answer) -> bool:
    nowhere = answer.status == 404 and answer.code == "not_found"
    return not nowhere and answer.status not in {405, 500, 501}


@pytest.mark.parametrize("route", DUE, ids=route_id)
async def test_what_is_due_answers(apps: Apps, route: Route) -> None:
    answer = await asked(apps, route)
    assert is_routed(answer), answer
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("route", LATER, ids=route_id)
async def test_what_is_not_due_says_so(apps: Apps, route: Route) -> None:
    answer = await asked(apps, route)
    assert (answer.status, answer.code) == (501, "not_yet"), answer


@pytest.mark.parametrize("route", ROUTES, ids=route_id)
async def test_another_origin_reaches_nothing(apps: Apps, route: Route) -> None:
    for headers in (
        {"origin": "http://evil.example"},
        {"host": "evil.example"},
        {"sec_fetch_site": "cross-site"},
    ):
        answer = await asked(apps, route, **headers)
        assert (answer.status, answer.code) == (403, "forbidden"), headers
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("key", [KEY])
@pytest.mark.parametrize("route", ROUTES, ids=route_id)
async def test_without_the_key_only_health_answers(apps: Apps, route: Route, key: str) -> None:
    answer = await asked(apps, route)
    if route.path == "/health":
        assert json.loads(answer.body) == {"status": "ok"}
        return
    if route.path in {"/v1/hive/ca", "/v1/hive/join"}:  # who joins has no key yet
        assert answer.status in {200, 400}
        return
    if route.path == "/":  # the console: its files are in every wheel
        assert answer.status == 200
        return
    assert (answer.status, answer.code) == (401, "invalid_api_key")
    wrong = await asked(apps, route, authorization="Bearer wrong")
    assert wrong.status == 401
    right = await asked(apps, route, authorization=f"Bearer {key}")
    assert right.status != 401


@pytest.mark.parametrize("server", ["queen", "hive"])
async def test_a_path_that_nobody_knows_is_404(apps: Apps, server: Server) -> None:
    for path in ("/nowhere", "/v1", "/v1/nowhere", "/openai/v1/nowhere", "/v1/jobs/x/y/z"):
        answer = await ask(apps[server], "GET", path)
        assert (answer.status, answer.code) == (404, "not_found"), path


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
async def test_an_operation_is_accepted_where_it_belongs(apps: Apps, row: Operation) -> None:
    named = {"pid": 999_999_999, "id": "none"}
    body = {"operation": row.name, **dict.fromkeys(row.required, "none"), **named}
    answer = await ask(apps[row.server], "POST", "/v1/jobs", body=json.dumps(body).encode())
    assert answer.status == 200, answer
    accepted = json.loads(answer.body)
    assert set(accepted) == {"job_id", "sse_url", "status", "created_at"}
    assert accepted["status"] in {"queued", "running"}


HIVE_ROWS = [row for row in OPERATIONS if row.server == "hive"]


@pytest.mark.parametrize("row", HIVE_ROWS, ids=lambda row: row.name)
async def test_the_queen_says_where_a_hives_operation_goes(apps: Apps, row: Operation) -> None:
    body = {"operation": row.name, "pid": 1, "model": "none"}
    answer = await ask(apps["queen"], "POST", "/v1/jobs", body=json.dumps(body).encode())
    assert answer.status == 400
    assert "7835" in answer.body.decode() or "hive" in answer.body.decode()


@pytest.mark.parametrize("server", ["queen", "hive"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"operation": "dance"}', b"\xff", b'{"operation": 1}']
)
async def test_a_bad_job_is_400_with_details(apps: Apps, server: Server, content: bytes) -> None:
    answer = await ask(apps[server], "POST", "/v1/jobs", body=content)
    assert answer.status == 400
    problem = json.loads(answer.body)
    assert problem["error"]
    assert "`$" in problem["details"] or "JSON" in problem["remedy"]


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/openai"])
async def test_the_openai_doors_speak_its_dialect(apps: Apps, prefix: str) -> None:
    for method, path, body in [
        ("POST", "/chat/completions", b""),
        ("POST", "/chat/completions", b'{"messages": []}'),
        ("POST", "/chat/completions", b'{"model": 3}'),
        ("POST", "/completions", b"{"),
        ("GET", "/models/none", b""),
    ]:
        answer = await ask(apps["queen"], method, prefix + path, body=body)
        error = json.loads(answer.body)["error"]
        assert answer.status in {400, 404}
        assert {"message", "type", "code", "param"} <= set(error)
    listed = json.loads((await ask(apps["queen"], "GET", f"{prefix}/models")).body)
    assert listed == {"object": "list", "data": []}
