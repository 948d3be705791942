"""``/v1/settings`` on the real servers: seen, changed, applied while the queen runs, refused."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.types import ASGIApp

from rbee.contracts.settings import SettingsChanged, SettingsState
from rbee.foundation import config_file
from rbee.foundation.settings_book import OTHER
from wire.asgi import Answer, ask
from wire.conftest import KEY
from wire.table import Server

pytestmark = pytest.mark.anyio

Apps = dict[Server, ASGIApp]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RBEE_CONFIG_DIR", str(tmp_path))
    return tmp_path / "config.toml"


async def look(app: ASGIApp, **headers: str) -> SettingsState:
    answer = await ask(app, "GET", "/v1/settings", headers=headers)
    assert answer.status == 200, answer
    return msgspec.json.decode(answer.body, type=SettingsState)


async def change(app: ASGIApp, wish: dict[str, Any], **headers: str) -> Answer:
    body = json.dumps(wish).encode()
    return await ask(app, "PATCH", "/v1/settings", body=body, headers=headers)


@pytest.mark.parametrize("server", ["queen", "hive"])
async def test_every_setting_has_its_words_and_its_place(apps: Apps, server: Server) -> None:
    state = await look(apps[server])
    assert state.room == server
    for row in state.settings:
        assert row.about, row.name
        assert row.group != OTHER, f"{row.name} wants a group in {server}/from_settings.py"
        assert row.variable is None or row.variable.startswith(f"RBEE_{server.upper()}_")


@pytest.fixture
def own_file(file: Path) -> str:
    text = "# mine\n[queen]\nport = 7999 # ours\n"
    file.write_text(text, encoding="utf-8")
    return text


async def test_what_is_live_counts_from_the_next_request_on(
    queen_app: ASGIApp, own_file: str
) -> None:
    info = json.loads((await ask(queen_app, "GET", "/v1/info")).body)
    assert "auto_download" in info["features"]
    wish = {"set": {"auto_download": False, "routing.default": "round-robin"}}
    told = msgspec.json.decode((await change(queen_app, wish)).body, type=SettingsChanged)
    assert told.applied == ["auto_download", "routing.default"]
    assert "port" in told.state.restart
    info = json.loads((await ask(queen_app, "GET", "/v1/info")).body)
    assert "auto_download" not in info["features"]
    assert config_file.read().startswith(own_file)


@pytest.mark.parametrize(
    ("wish", "at"),
    [
        ({"set": {"queue_max": 0}}, "queue_max"),
        ({"set": {"queue_max": "many"}}, "queue_max"),
        ({"set": {"placement.hold_max_s": 1}}, "placement.hold_max_s"),
        ({"set": {"bind": "0.0.0.0"}}, "bind"),  # noqa: S104  nobody listens there: it is refused
        ({"set": {"trusted_networks": ["here"]}}, "trusted_networks"),
        ({"set": {"tls_cert": "/nowhere.pem"}}, "tls_cert"),
        ({"set": {"store": "papyrus"}}, "store"),
        ({"set": {"keys": []}}, "keys"),
        ({"unset": ["no_such"]}, "no_such"),
    ],
)
async def test_what_she_could_not_start_with_is_refused_and_not_written(
    queen_app: ASGIApp, wish: dict[str, Any], at: str
) -> None:
    wish.setdefault("set", {})["wait_max_s"] = 200
    answer = await change(queen_app, wish)
    problem = json.loads(answer.body)
    assert (answer.status, problem["code"]) == (400, "invalid_request"), answer
    assert at in {row["name"] for row in problem["data"]}
    assert config_file.read() == ""


async def test_two_operators_do_not_undo_each_other(queen_app: ASGIApp) -> None:
    seen = (await look(queen_app)).revision
    first = await change(queen_app, {"set": {"queue_max": 500}, "revision": seen})
    second = await change(queen_app, {"set": {"queue_max": 600}, "revision": seen})
    assert (first.status, second.status, second.code) == (200, 409, "conflict")


@pytest.mark.parametrize("key", [KEY])
@pytest.mark.parametrize("scope", ["inference", "jobs", "read"])
async def test_only_operators_see_and_change_them(queen_app: ASGIApp, key: str, scope: str) -> None:
    colony = {"authorization": f"Bearer {key}"}
    wish = json.dumps({"name": "somebody", "scopes": [scope]}).encode()
    made = await ask(queen_app, "POST", "/v1/keys", body=wish, headers=colony)
    theirs = {"authorization": f"Bearer {json.loads(made.body)['key']}"}
    assert (await ask(queen_app, "GET", "/v1/settings", headers=theirs)).status == 403
    assert (await change(queen_app, {"set": {}}, **theirs)).status == 403
    assert (await look(queen_app, **colony)).room == "queen"


async def test_a_hives_settings_are_not_changed_over_the_wire(hive_app: ASGIApp) -> None:
    assert (await change(hive_app, {"set": {"slots": 2}})).status == 405
    assert all(row.locked for row in (await look(hive_app)).settings)
