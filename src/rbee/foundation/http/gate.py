"""The gate before every route of both servers: Host, Origin, key. Deny by default.

A page in the operator's browser must not be able to drive an unauthenticated
loopback server, neither from another origin (Origin and Sec-Fetch-Site) nor by
a name that resolves to 127.0.0.1 (Host). curl and other programs send no Origin
and pass. ``admit`` is the pure decision; ``Gate`` applies it as ASGI middleware.
"""

import hmac
import ipaddress
import socket
from collections.abc import Callable, Mapping

import msgspec
import psutil
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rbee.errors import Forbidden, InvalidApiKey, RbeeError, UnsafeBind
from rbee.foundation.http.problems import send_problem

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_OPEN_PATHS = frozenset({"/health"})  # a load balancer's probe has no key and learns nothing
_PREFLIGHT_AGE_S = b"600"  # browsers cap it at two hours (Chromium) anyway


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in. ``hosts`` without ports, ``origins`` whole, ``key`` or None."""

    hosts: frozenset[str]
    origins: frozenset[str]
    key: str | None = None


def make_policy(
    bind: str, port: int, *, key: str | None, hosts: list[str], origins: list[str]
) -> Policy:
    """The policy of a server bound to ``bind:port``, with the operator's additions.

    Raises:
        UnsafeBind: others could reach the address, and there is no key.
    """
    names = set(LOOPBACK_HOSTS)
    if not is_loopback(bind):
        if not key:
            raise UnsafeBind(f"Refusing to listen on {bind} without a key: anyone could use it.")
        names |= _own_names(bind)
    own = {f"http://{_bracketed(name)}:{port}" for name in names}
    return Policy(
        hosts=frozenset(names | {host.lower() for host in hosts}),
        origins=frozenset(own | {origin.rstrip("/").lower() for origin in origins}),
        key=key,
    )


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach ``address``."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def admit(policy: Policy, path: str, headers: Mapping[bytes, bytes]) -> RbeeError | None:
    """Decide on one request. Returns None, or the error to answer with.

    ``headers`` has lower-case names. The order matters: a forged Host is refused
    before the key is looked at, so that a page cannot probe for keys.
    """
    host = _host_name(headers.get(b"host", b"").decode("latin-1"))
    if host not in policy.hosts:
        return Forbidden(
            f"This server does not answer to the host name {host!r}.",
            remedy="Use localhost or an address of the machine, or add the name to "
            "`allowed_hosts` in config.toml.",
            param="Host",
        )
    origin = headers.get(b"origin", b"").decode("latin-1").lower()
    if origin and origin not in policy.origins:
        return Forbidden(
            f"Pages of {origin} may not use this server.",
            remedy="Add the origin to `allowed_origins` in config.toml if you trust it.",
            param="Origin",
        )
    if headers.get(b"sec-fetch-site") == b"cross-site" and not origin:
        return Forbidden("Pages of another site may not use this server.", param="Sec-Fetch-Site")
    if policy.key is None or path in _OPEN_PATHS:
        return None
    return _check_key(policy.key, headers.get(b"authorization", b""), headers.get(b"x-api-key"))


class Gate:
    """ASGI middleware: refuse, answer a preflight, or pass on."""

    def __init__(
        self, app: ASGIApp, policy: Policy, render: Callable[[RbeeError, str], bytes]
    ) -> None:
        self._app = app
        self._policy = policy
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what ``admit`` refuses; everything else goes to the app untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        preflight = scope["method"] == "OPTIONS" and b"access-control-request-method" in headers
        policy = msgspec.structs.replace(self._policy, key=None) if preflight else self._policy
        error = admit(policy, scope["path"], headers)
        origin = headers.get(b"origin")
        if error is not None:
            await send_problem(send, error, self._render(error, scope["path"]))
        elif preflight and origin is not None:
            await _answer_preflight(send, origin, headers)
        elif origin is not None:
            await self._app(scope, receive, _with_cors(send, origin))
        else:
            await self._app(scope, receive, send)


def _check_key(key: str, authorization: bytes, api_key: bytes | None) -> RbeeError | None:
    scheme, _, given = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        given = api_key or b""
    if not given:
        return InvalidApiKey("This server wants a key.")
    if not hmac.compare_digest(given.strip(), key.encode()):
        return InvalidApiKey("The key is not valid here.")
    return None


def _with_cors(send: Send, origin: bytes) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message.get("headers", []),
                (b"access-control-allow-origin", origin),
                (b"vary", b"Origin"),
            ]
        await send(message)

    return sending


async def _answer_preflight(send: Send, origin: bytes, headers: Mapping[bytes, bytes]) -> None:
    answer = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
        (b"access-control-max-age", _PREFLIGHT_AGE_S),
        (b"vary", b"Origin"),
    ]
    if asked := headers.get(b"access-control-request-headers"):
        answer.append((b"access-control-allow-headers", asked))
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})


def _host_name(value: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    value = value.strip().lower()
    if value.startswith("["):
        inside, closed, _ = value[1:].partition("]")
        return inside if closed else value
    name, colon, port = value.rpartition(":")
    return name if colon and port.isdigit() else value


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _own_names(bind: str) -> set[str]:
    """The names under which others can reach a server bound to ``bind``."""
    hostname = socket.gethostname().lower()
    names = {bind.lower(), hostname, f"{hostname.partition('.')[0]}.local"}
    if ipaddress_or_none(bind) and ipaddress.ip_address(bind).is_unspecified:
        for addresses in psutil.net_if_addrs().values():
            names |= {
                found.address.partition("%")[0].lower()
                for found in addresses
                if found.family in {socket.AF_INET, socket.AF_INET6}
            }
    return names


def ipaddress_or_none(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """``text`` as an address, or None when it is a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
