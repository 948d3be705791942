"""The reference: each route has its row, each row its route, the document is what it says it is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from rbee.foundation.daemon import Daemon
from rbee.foundation.http.openapi import Row, fingerprint
from rbee.hive.api.reference import ROWS as HIVE_ROWS
from rbee.hive.api.reference import hive_document
from rbee.queen.api.dialects import ENDPOINTS, PREFIXES
from rbee.queen.api.reference import ROWS as QUEEN_ROWS
from rbee.queen.api.reference import queen_document
from rbee.queen.app import Queen
from rbee.queen.settings import Settings
from wire.asgi import ask
from wire.table import ROUTES, Server

ROWS: dict[Server, tuple[Row, ...]] = {"queen": QUEEN_ROWS, "hive": HIVE_ROWS}
DOCUMENTS: dict[Server, dict[str, Any]] = {"queen": queen_document(), "hive": hive_document()}
SERVERS: tuple[Server, ...] = ("queen", "hive")
WEB_API = Path(__file__).parents[2] / "web" / "src" / "api"
TYPES: dict[Server, Path] = {
    "queen": WEB_API / "schema.d.ts",
    "hive": WEB_API / "hive-schema.d.ts",
}

_CONSOLE = ("GET", "/")  # a door of its own, in front of the routes

Apps = dict[Server, ASGIApp]


def nameless(path: str) -> str:
    """A path whatever its parameters are called."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def starlette_in(app: Any) -> Starlette:  # noqa: ANN401  doors know each other as ASGI alone
    """The routes behind the doors and the gate."""
    while not isinstance(app, Starlette):
        app = getattr(app, "_gated", None) or app._app
    return app


def routes_of(app: Starlette) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = {_CONSOLE}
    for route in app.routes:
        assert isinstance(route, (Route, WebSocketRoute)), route
        methods = route.methods if isinstance(route, Route) else {"GET"}
        found |= {(method, nameless(route.path)) for method in methods or ()}
    return {(method, path) for method, path in found if method != "HEAD"}


def test_every_route_of_the_queen_has_its_row(
    queen_daemon: Daemon, queen_settings: Settings
) -> None:
    doors = {("POST", path) for path in ENDPOINTS}
    doors |= {("GET", f"{prefix}models{tail}") for prefix in PREFIXES for tail in ("", "/{}")}
    queen = Queen(queen_settings, queen_daemon, key=None)
    rows = {(row.method, nameless(row.path)) for row in QUEEN_ROWS}
    assert rows == routes_of(queen.control) | doors


@pytest.mark.anyio
async def test_every_route_of_the_hive_has_its_row(hive_app: ASGIApp) -> None:
    rows = {(row.method, nameless(row.path)) for row in HIVE_ROWS}
    assert rows == routes_of(starlette_in(hive_app))


@pytest.mark.parametrize("server", SERVERS)
def test_the_document_holds_every_route_of_the_published_table(server: Server) -> None:
    known = {
        (method.upper(), nameless(path))
        for path, methods in DOCUMENTS[server]["paths"].items()
        for method in methods
    }
    listed = {(row.method, nameless(row.path)) for row in ROUTES if row.server == server}
    assert listed <= known


@pytest.mark.parametrize("server", SERVERS)
def test_no_route_is_declared_twice(server: Server) -> None:
    seen = [(row.method, nameless(row.path)) for row in ROWS[server]]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("server", SERVERS)
def test_every_schema_is_one(server: Server) -> None:
    for schema in DOCUMENTS[server]["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("server", SERVERS)
def test_every_operation_is_whole(server: Server) -> None:
    ids: list[str] = []
    for path, methods in DOCUMENTS[server]["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            in_path = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"]
            assert sorted(in_path) == sorted(re.findall(r"\{(\w+)\}", path))
            assert operation["summary"]
            assert {"default", "403"} <= set(operation["responses"])
    assert len(ids) == len(set(ids))


@pytest.mark.anyio
@pytest.mark.parametrize("server", SERVERS)
async def test_it_is_served(apps: Apps, server: Server) -> None:
    answer = await ask(apps[server], "GET", "/openapi.json")
    assert answer.status == 200
    assert json.loads(answer.body) == DOCUMENTS[server]


@pytest.mark.parametrize("server", SERVERS)
def test_everything_that_is_referred_to_is_there(server: Server) -> None:
    text = json.dumps(DOCUMENTS[server])
    for kind, name in set(re.findall(r"#/components/(\w+)/(\w+)", text)):
        assert name in DOCUMENTS[server]["components"][kind], name


def test_what_is_given_is_always_there_and_what_is_taken_may_be_left_out() -> None:
    schemas = DOCUMENTS["queen"]["components"]["schemas"]
    assert set(schemas["Model"]["required"]) == set(schemas["Model"]["properties"])
    assert schemas["ModelTaken"]["required"] == ["id", "name"]
    assert schemas["KeyWish"]["required"] == ["name"]
    assert schemas["HeartbeatAck"]["required"] == ["status", "message", "wanted"]


def test_who_may_ask_stands_beside_each_route() -> None:
    paths = DOCUMENTS["queen"]["paths"]
    assert paths["/v1/keys"]["post"]["x-rbee-scopes"] == ["operator"]
    assert paths["/v1/plan"]["get"]["x-rbee-scopes"] == ["operator", "read"]
    assert paths["/v1/session"]["post"]["security"] == [{}]


@pytest.mark.parametrize("server", SERVERS)
def test_the_consoles_types_are_of_this_document(server: Server) -> None:
    found = re.search(r"fingerprint: ([0-9a-f]{64})", TYPES[server].read_text("utf-8"))
    assert found is not None, "run `make api`"
    assert found[1] == fingerprint(DOCUMENTS[server]), "the API has changed: run `make api`"
