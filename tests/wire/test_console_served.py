"""The console at ``/``: open to all who may reach the port, and to nobody else's pages."""

import gzip
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from rbee.console.site import DIRECTORY_VARIABLE
from wire.asgi import ask
from wire.conftest import KEY
from wire.table import Server

pytestmark = pytest.mark.anyio

PAGE = '<!doctype html>\n<html lang="en"><head></head><body>the console</body></html>\n'
SCRIPT = "export const answer = 42;\n" * 200
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up build."""
    folder = tmp_path / "built"
    (folder / "assets").mkdir(parents=True)
    (folder / ".vite").mkdir()
    (folder / ".vite" / "manifest.json").write_text("{}")
    (folder / "index.html").write_text(PAGE)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-abc123.js").write_text(SCRIPT)
    (folder / "assets" / "index-abc123.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (tmp_path / "secret.txt").write_text("not for you")
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(folder))
    return folder


@pytest.fixture
def unbuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "none"))


@pytest.fixture
def both(built: Path, apps: dict[Server, ASGIApp]) -> dict[Server, ASGIApp]:
    """Queen and hive, made after the build."""
    assert built.is_dir()
    return apps


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("server", ["queen", "hive"])
async def test_the_page_is_open_and_says_whose_it_is(
    both: dict[Server, ASGIApp], server: Server
) -> None:
    found = await ask(both[server], "GET", "/", headers={})
    assert found.status == 200
    assert f'<html data-room="{server}" lang="en">' in found.body.decode()
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'self'" in policy
    assert found.headers["cache-control"] == "no-cache"
    again = await ask(both[server], "GET", "/", headers={"if-none-match": found.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    head = await ask(both[server], "HEAD", "/", headers={})
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("key", [KEY])
async def test_a_deep_link_is_the_page_for_a_browser_alone(both: dict[Server, ASGIApp]) -> None:
    for path in ("/workers/w-1", "/models/qwen2.5-0.5b", "/chat", "/nowhere", "/index.html"):
        assert (await ask(both["queen"], "GET", path, headers=HTML)).status == 200, path
    program = await ask(both["queen"], "GET", "/nowhere", headers={"accept": "*/*"})
    assert (program.status, program.code) == (401, "invalid_api_key")


@pytest.mark.parametrize("key", [KEY])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/info",
        "/v1/nowhere",
        "/metrics",
        "/openapi.json",
        "/workers/w-1/ui/",
        "/openai/v1/models",
    ],
)
async def test_an_apis_path_is_never_the_page(both: dict[Server, ASGIApp], path: str) -> None:
    server: Server = "hive" if "/ui/" in path else "queen"  # hers are on a port of their own
    assert (await ask(both[server], "GET", path, headers=HTML)).status == 401
    posted = await ask(both["queen"], "POST", "/chat", headers=HTML)
    assert posted.status == 401


async def test_hashed_files_are_kept_for_ever_and_sent_packed(both: dict[Server, ASGIApp]) -> None:
    path = "/assets/index-abc123.js"
    plain = await ask(both["queen"], "GET", path, headers={})
    assert plain.body.decode() == SCRIPT
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    packed = await ask(both["queen"], "GET", path, headers={"accept-encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body).decode() == SCRIPT
    assert packed.headers["etag"] != plain.headers["etag"]
    icon = await ask(both["queen"], "GET", "/favicon.svg", headers={})
    assert (icon.headers["content-type"], icon.headers["cache-control"]) == (
        "image/svg+xml",
        "no-cache",
    )


@pytest.mark.parametrize("key", [KEY])
@pytest.mark.parametrize(
    "path",
    [
        "/.vite/manifest.json",
        "/assets/index-abc123.js.gz",
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "//etc/passwd.txt",
    ],
)
async def test_only_files_of_the_build_are_opened(both: dict[Server, ASGIApp], path: str) -> None:
    for server in ("queen", "hive"):
        assert (await ask(both[server], "GET", path, headers={})).status == 401


async def test_a_link_from_another_site_works_and_its_scripts_do_not(
    both: dict[Server, ASGIApp],
) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", **HTML}
    assert (await ask(both["queen"], "GET", "/chat", headers=link)).status == 200
    embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    for path in ("/", "/favicon.svg", "/assets/index-abc123.js"):
        found = await ask(both["queen"], "GET", path, headers=embedded)
        assert (found.status, found.code) == (403, "forbidden"), path


async def test_a_name_that_is_not_ours_is_told_in_words(both: dict[Server, ASGIApp]) -> None:
    found = await ask(both["queen"], "GET", "/", headers={"host": "evil.example", **HTML})
    assert found.status == 403
    assert "allowed_hosts" in found.body.decode()
    assert "evil" not in found.body.decode()
    script = await ask(
        both["queen"], "GET", "/assets/index-abc123.js", headers={"host": "evil.example"}
    )
    assert (script.status, script.code) == (403, "forbidden")


async def test_a_new_build_is_seen_without_a_restart(
    built: Path, both: dict[Server, ASGIApp]
) -> None:
    assert (await ask(both["queen"], "GET", "/assets/new-1.js", headers={})).status == 404
    (built / "assets" / "new-1.js").write_text("1")
    (built / "index.html").write_text(PAGE.replace("console", "new one"))
    assert (await ask(both["queen"], "GET", "/assets/new-1.js", headers={})).status == 200
    assert b"the new one" in (await ask(both["queen"], "GET", "/", headers={})).body


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize("server", ["queen", "hive"])
async def test_without_a_build_the_page_says_how_to_make_one(
    apps: dict[Server, ASGIApp], server: Server
) -> None:
    found = await ask(apps[server], "GET", "/", headers={})
    page = found.body.decode()
    assert (found.status, "make console" in page) == (200, True)
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert "{base_url}" not in page
    for outside in ("<script", "src=", "@import", "url(", "<link"):
        assert outside not in page
    deep = await ask(apps[server], "GET", "/models", headers=HTML)
    assert (deep.status, b"make console" in deep.body) == (404, True)
