"""Workers' own pages: who may ask, what goes on to the engine, what comes back, on which port."""

import gzip
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio.lowlevel
import httpx2
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rbee.console.explaining import explaining
from rbee.contracts.principals import COLONY
from rbee.errors import NotFound
from rbee.foundation.daemon import Daemon
from rbee.foundation.http.gate import Gate, Policy, make_policy
from rbee.foundation.http.own_pages import DOCUMENT_BYTES_MAX, Asked, OwnPages
from rbee.foundation.http.problems import as_problem
from rbee.queen.api.worker_pages import PagesDoor
from wire.asgi import Answer, ask
from wire.conftest import KEY

pytestmark = pytest.mark.anyio

DOCUMENT = b"<html><script>start()</script><script src='./a.js'></script></html>"
START_HASH = "'sha256-DIm7WJS6ZKDYe5qFLPy+h4JFI9Bol5QmYC57mt3Fb00='"
PAGE = "/workers/w-1/ui/"


class Engine:
    """What would be asked of the worker, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.headers = {"content-type": "text/html", "set-cookie": "mine=1", "etag": '"a"'}
        self.body = DOCUMENT
        self.endless = False
        self.given = 0

    async def chunks(self) -> AsyncGenerator[bytes]:
        """A body: as it is, or for ever."""
        yield self.body
        while self.endless:
            self.given += 65536
            await anyio.lowlevel.checkpoint()
            yield b" " * 65536

    @asynccontextmanager
    async def open(self, asked: Asked) -> AsyncGenerator[httpx2.Response]:
        self.asked.append(asked)
        if asked.worker_id == "none":
            raise NotFound("It has no page.", remedy="Use the chat.")
        yield httpx2.Response(200, headers=self.headers, content=self.chunks())


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def policy() -> Policy:
    return make_policy("127.0.0.1", 7833, key=KEY, hosts=[], origins=["http://app.example"])


@pytest.fixture
def pages(engine: Engine, policy: Policy) -> ASGIApp:
    async def rest(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"rest"})

    inner = OwnPages(rest, engine.open, lambda scheme, host: [f"{scheme}://{host}:7833"])
    return Gate(inner, policy, lambda error, _path: as_problem(error))


@pytest.fixture
def signed_in(policy: Policy) -> dict[str, str]:
    value, _ = policy.keyring.sessions.begin(COLONY)
    return {"cookie": f"rbee_session={value}"}


async def test_nobody_without_a_key_or_a_session(pages: ASGIApp, engine: Engine) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "rbee_session=made-up"}):
        answer = await ask(pages, "GET", PAGE, headers=headers)
        assert (answer.status, answer.code) == (401, "invalid_api_key")
    assert not engine.asked


async def test_neither_cookie_nor_key_goes_on(
    pages: ASGIApp, engine: Engine, signed_in: dict[str, str]
) -> None:
    more = {
        "authorization": f"Bearer {KEY}",
        "accept": "text/html",
        "x-api-key": KEY,
        "referer": "r",
    }
    found = await ask(pages, "GET", f"{PAGE}v1/models", query="a=1", headers={**signed_in, **more})
    assert found.status == 200
    assert engine.asked[0].headers == {"accept": "text/html"}
    assert engine.asked[0].target == "/v1/models?a=1"
    assert "set-cookie" not in found.headers
    assert found.headers["etag"] == '"a"'


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"origin": "http://localhost"}, 200),  # the page itself
        ({"origin": "http://localhost", "sec-fetch-site": "same-origin"}, 200),
        ({}, 403),  # a cookie, and nothing that says which page sent it
        ({"origin": "http://localhost:7833"}, 403),  # the console's own origin, too
        ({"origin": "http://app.example"}, 403),  # nor one that may use the API
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://localhost", "host": "evil.example"}, 403),
    ],
)
async def test_what_changes_something_comes_from_the_page_itself(
    pages: ASGIApp, signed_in: dict[str, str], more: dict[str, str], status: int
) -> None:
    url = f"{PAGE}v1/chat/completions"
    answer = await ask(pages, "POST", url, body=b"{}", headers={**signed_in, **more})
    assert answer.status == status, answer


async def test_the_session_still_wants_its_token_everywhere_else(
    pages: ASGIApp, signed_in: dict[str, str]
) -> None:
    for path in ("/v1/jobs", "/workers/w-1/uix", "/workers/w-1"):
        answer = await ask(
            pages, "POST", path, headers={**signed_in, "origin": "http://localhost:7833"}
        )
        assert (answer.status, answer.code) == (403, "forbidden"), path


@pytest.mark.parametrize("packed", [False, True])
async def test_the_policy_is_ours_whatever_the_engine_says(
    pages: ASGIApp, engine: Engine, signed_in: dict[str, str], *, packed: bool
) -> None:
    engine.headers["content-security-policy"] = "default-src *"
    if packed:
        engine.body = gzip.compress(DOCUMENT)
        engine.headers["content-encoding"] = "gzip"
    found = await ask(pages, "GET", PAGE, headers=signed_in)
    policy = dict(
        part.strip().split(" ", 1) for part in found.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'self' {START_HASH} 'wasm-unsafe-eval'"
    assert policy["connect-src"].split()[0] == f"http://localhost{PAGE}"
    assert policy["frame-ancestors"] == "'self' http://localhost:7833"


async def test_without_the_slash_it_points_to_the_one_with_it(
    pages: ASGIApp, signed_in: dict[str, str]
) -> None:
    found = await ask(pages, "GET", PAGE[:-1], headers=signed_in)
    assert (found.status, found.headers["location"]) == (307, PAGE)


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("/workers/w-1/ui/x", b"/workers/w-1%2Fui/x"),
        (f"{PAGE}../../../v1/shutdown", None),
        (f"{PAGE}a/./b", None),
        (f"{PAGE}..", None),
        (f"{PAGE}../v1", f"{PAGE}%2e%2E/v1".encode()),
        (f"{PAGE}../v1", f"{PAGE}..%2Fv1".encode()),
    ],
)
async def test_no_path_leads_out_of_the_page(
    pages: ASGIApp, engine: Engine, signed_in: dict[str, str], path: str, raw: bytes | None
) -> None:
    found = await ask(pages, "GET", path, headers=signed_in, raw_path=raw)
    assert (found.status, found.code) == (404, "not_found")
    assert not engine.asked


async def test_a_document_without_an_end_is_not_gathered(
    pages: ASGIApp, engine: Engine, signed_in: dict[str, str]
) -> None:
    engine.endless = True
    found = await ask(pages, "GET", PAGE, headers=signed_in)
    assert found.status == 200
    assert found.headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
    )
    assert len(found.body) <= engine.given <= 2 * DOCUMENT_BYTES_MAX


async def test_a_document_that_unpacks_without_an_end_is_not_unpacked(
    pages: ASGIApp, engine: Engine, signed_in: dict[str, str]
) -> None:
    engine.headers["content-encoding"] = "gzip"
    engine.body = gzip.compress(DOCUMENT + b" " * (DOCUMENT_BYTES_MAX + 1))
    found = await ask(pages, "GET", PAGE, headers=signed_in)
    assert (found.status, found.body) == (200, engine.body)
    assert START_HASH not in found.headers["content-security-policy"]


async def test_an_odd_status_of_an_engine_is_a_page_too() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    say = explaining(send, "http://localhost:7833", "'self'")
    head = [(b"content-type", b"application/json")]
    await say({"type": "http.response.start", "status": 599, "headers": head})
    for _ in range(3):
        await say({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
    await say({"type": "http.response.body", "body": b""})
    assert sent[0]["status"] == 599
    assert b"This page cannot be shown" in sent[1]["body"]
    assert len(sent[1]["body"]) < 10_000


async def test_a_redirect_says_nothing_but_the_path_as_it_was_written(
    pages: ASGIApp, signed_in: dict[str, str]
) -> None:
    raw = b"/workers/w%0D%0Aset-cookie:%20a=1/ui"
    path = "/workers/w\r\nset-cookie: a=1/ui"
    found = await ask(pages, "GET", path, headers=signed_in, raw_path=raw)
    assert (found.status, found.headers["location"]) == (307, f"{raw.decode()}/")


async def test_the_main_port_only_points_to_the_other(pages: ASGIApp) -> None:
    daemon = Daemon("queen", "127.0.0.1", 0)
    try:
        daemon.pages_port = 7834
        door = PagesDoor(pages, daemon)
        headers = {"host": "pc.lan:7833", "authorization": f"Bearer {KEY}"}
        found = await ask(door, "GET", PAGE, query="q=1", headers=headers)
        assert found.status == 307
        assert found.headers["location"] == f"http://pc.lan:7834{PAGE}?q=1"
        assert (
            await ask(door, "GET", "/v1/info", headers={"authorization": f"Bearer {KEY}"})
        ).status == 204
    finally:
        for listener in daemon.sockets:
            listener.close()


async def test_the_other_port_serves_pages_and_nothing_else(
    pages: ASGIApp, signed_in: dict[str, str]
) -> None:
    daemon = Daemon("queen", "127.0.0.1", 0)
    try:
        daemon.pages_port = 7833  # where `ask` comes in
        door = PagesDoor(pages, daemon)
        assert (await ask(door, "GET", PAGE, headers=signed_in)).status == 200
        for path in ("/", "/v1/session", "/v1/jobs", "/assets/x.js", "/health"):
            found: Answer = await ask(door, "GET", path, headers=signed_in)
            assert (found.status, found.code) == (404, "not_found"), path
    finally:
        for listener in daemon.sockets:
            listener.close()
