"""Who may come in: Host, Origin, Sec-Fetch-Site, key, preflight; on every path and method."""

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rbee.errors import Forbidden, InvalidApiKey, RbeeError, UnsafeBind
from rbee.foundation.addresses import is_loopback
from rbee.foundation.http.gate import Gate, Policy, admit, make_policy
from rbee.foundation.http.problems import as_problem

pytestmark = pytest.mark.anyio

KEY = "a-long-made-up-key"
OPEN = make_policy("127.0.0.1", 7833, key=None, hosts=["bee.lan"], origins=["https://ui.lan/"])
LOCKED = make_policy("127.0.0.1", 7833, key=KEY, hosts=[], origins=[])
ANY = "0.0.0.0"  # noqa: S104  named, not bound
METHODS = ["GET", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"]
PATHS = ["/", "/health", "/v1/jobs", "/v1/chat/completions", "/metrics", "/nowhere"]


def decided(policy: Policy, path: str = "/v1/jobs", **headers: str) -> RbeeError | None:
    named = {name.replace("_", "-").encode(): text.encode() for name, text in headers.items()}
    try:
        admit(policy, path, {b"host": b"localhost:7833"} | named)
    except RbeeError as error:
        return error
    return None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:7833",
        "LOCALHOST:7833",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]:7833",
        "[::1]",
        "bee.lan",
        "bee.lan:443",
    ],
)
def test_a_host_of_ours_passes(host: str) -> None:
    assert decided(OPEN, host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:7833",
        "localhost.evil.example",
        "127.0.0.1.nip.example",
        "localhost:evil",
        "[::2]:7833",
        "[localhost",
        "localhost@evil.example",
        "0.0.0.0:7833",
    ],
)
def test_any_other_host_is_refused(host: str) -> None:
    error = decided(OPEN, host=host)
    assert isinstance(error, Forbidden)
    assert error.param == "Host"


@pytest.mark.parametrize(
    "origin", ["http://localhost:7833", "http://127.0.0.1:7833", "http://[::1]:7833"]
)
def test_our_own_pages_pass(origin: str) -> None:
    assert decided(OPEN, origin=origin) is None
    assert decided(OPEN, origin=origin, sec_fetch_site="cross-site") is None


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://localhost",
        "http://localhost:3000",
        "https://localhost:7834",
        "http://evil.example",
        "http://localhost:7833.evil.example",
    ],
)
def test_other_pages_are_refused(origin: str) -> None:
    error = decided(OPEN, origin=origin)
    assert isinstance(error, Forbidden)
    assert error.param == "Origin"


def test_an_added_origin_passes() -> None:
    assert decided(OPEN, origin="https://ui.lan") is None


def test_a_cross_site_load_without_an_origin_is_refused() -> None:
    error = decided(OPEN, sec_fetch_site="cross-site")
    assert isinstance(error, Forbidden)
    for site in ("none", "same-origin", "same-site"):
        assert decided(OPEN, sec_fetch_site=site) is None


def test_curl_passes() -> None:
    assert decided(OPEN) is None


def test_the_key_is_wanted_on_everything_but_health() -> None:
    for path in PATHS:
        error = decided(LOCKED, path)
        assert (error is None) == (path == "/health"), path
        assert decided(LOCKED, path, authorization=f"Bearer {KEY}") is None
        assert decided(LOCKED, path, authorization=f"bearer {KEY}") is None
        assert decided(LOCKED, path, x_api_key=KEY) is None


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {KEY}x"]
)
def test_a_wrong_key_is_refused(given: str) -> None:
    assert isinstance(decided(LOCKED, authorization=given), InvalidApiKey)


def test_a_forged_host_is_refused_before_the_key_is_looked_at() -> None:
    wrong = decided(LOCKED, host="evil.example", authorization="Bearer wrong")
    right = decided(LOCKED, host="evil.example", authorization=f"Bearer {KEY}")
    assert isinstance(wrong, Forbidden)
    assert isinstance(right, Forbidden)


@pytest.mark.parametrize("bind", [ANY, "::", "192.0.2.7", "bee.lan"])
def test_a_reachable_address_wants_a_key(bind: str) -> None:
    with pytest.raises(UnsafeBind):
        make_policy(bind, 7833, key=None, hosts=[], origins=[])
    policy = make_policy(bind, 7833, key=KEY, hosts=[], origins=[])
    assert bind in policy.hosts


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        (ANY, False),
        ("::", False),
        ("10.0.0.1", False),
        ("bee", False),
        ("", False),
    ],
)
def test_loopback(address: str, local: bool) -> None:
    assert is_loopback(address) is local


def gated(policy: Policy) -> httpx2.AsyncClient:
    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("inside")(scope, receive, send)

    app: ASGIApp = Gate(inside, policy, lambda error, _path: as_problem(error))
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost:7833")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
async def test_every_method_on_every_path_is_behind_the_gate(method: str, path: str) -> None:
    async with gated(OPEN) as client:
        for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
            refused = await client.request(method, path, headers=headers)
            assert refused.status_code == 403
            assert refused.json()["code"] == "forbidden"
            assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("method", METHODS)
async def test_without_a_key_every_method_gets_401(method: str) -> None:
    async with gated(LOCKED) as client:
        refused = await client.request(method, "/v1/jobs")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.json()["remedy"]


@pytest.mark.parametrize(
    ("client", "status"),
    [
        (("127.0.0.1", 5), 200),
        (("::1", 5), 200),
        (("link", 0), 200),
        (("10.0.0.9", 5), 401),
        (("localhost.evil.example", 5), 401),
        (None, 401),
    ],
)
async def test_a_member_without_a_key_lets_only_this_machine_in(
    client: tuple[str, int] | None, status: int
) -> None:
    policy = make_policy(ANY, 7835, key=None, hosts=[], origins=[], certificates=True)
    seen: list[int] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("inside")(scope, receive, send)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    app = Gate(inside, policy, lambda error, _path: as_problem(error))
    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "method": "GET", "path": "/v1/jobs", "headers": headers}
    await app({**scope, "client": client}, receive, send)
    await app({**scope, "path": "/health", "client": client}, receive, send)
    assert seen == [status, 200]


async def test_a_preflight_of_a_listed_page_is_answered_without_the_key() -> None:
    asked = {"origin": "http://localhost:7833", "access-control-request-method": "POST"}
    asked |= {"access-control-request-headers": "authorization, content-type"}
    async with gated(LOCKED) as client:
        answer = await client.options("/v1/jobs", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "http://localhost:7833"
    assert answer.headers["access-control-allow-headers"] == "authorization, content-type"
    assert answer.text == ""


async def test_a_preflight_of_another_page_is_refused() -> None:
    asked = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    async with gated(OPEN) as client:
        answer = await client.options("/v1/jobs", headers=asked)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


async def test_cors_names_the_origin_and_never_a_star() -> None:
    async with gated(OPEN) as client:
        answer = await client.get("/", headers={"origin": "https://ui.lan"})
        assert answer.text == "inside"
        assert answer.headers["access-control-allow-origin"] == "https://ui.lan"
        assert answer.headers["vary"] == "Origin"
        plain = await client.get("/")
        assert "access-control-allow-origin" not in plain.headers
