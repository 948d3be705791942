"""The gate before every route of both servers: Host, Origin, key. Deny by default.

A page in the operator's browser must not be able to drive an unauthenticated
loopback server, neither from another origin (Origin and Sec-Fetch-Site) nor by
a name that resolves to 127.0.0.1 (Host). curl and other programs send no Origin
and pass. ``admit`` is the decision, and costs dictionary look-ups only; ``Gate``
applies it as ASGI middleware and puts who asks into ``scope[PRINCIPAL]``. Below
it, a key of one client opens the doors to models; the rest is the operator's.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec
import psutil
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rbee.contracts.principals import ANYBODY, KeySetting, Principal
from rbee.errors import Forbidden, RbeeError, UnsafeBind
from rbee.foundation.http.keys import Keyring, make_keyring
from rbee.foundation.http.problems import send_problem

PRINCIPAL: Final = "rbee.principal"
"""Where a request's ``Principal`` stands in its ASGI scope."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_OPEN_PATHS = frozenset({"/health"})  # a load balancer's probe has no key and learns nothing
_PREFLIGHT_AGE_S = b"600"  # browsers cap it at two hours (Chromium) anyway
_HOSTS_KEPT_MAX = 1024  # parsed Host headers: clients use a handful of names, forgers any


def _operators_only(_path: str) -> bool:
    return False


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in. ``hosts`` without ports, ``origins`` whole.

    ``shared`` says of a path whether holders of a client's key may use it too.
    """

    hosts: frozenset[str]
    origins: frozenset[str]
    keyring: Keyring
    shared: Callable[[str], bool] = _operators_only

    @property
    def locked(self) -> bool:
        """Whether a request needs a key."""
        return self.keyring.locked


def make_policy(
    bind: str,
    port: int,
    *,
    key: str | None,
    hosts: list[str],
    origins: list[str],
    keys: Iterable[KeySetting] = (),
    shared: Callable[[str], bool] = _operators_only,
) -> Policy:
    """The policy of a server bound to ``bind:port``, with the operator's additions.

    ``key`` is the colony's, ``keys`` those of single clients, ``shared`` the paths
    that are open to these.

    Raises:
        UnsafeBind: others could reach the address, and there is no colony key.
        BadSettings: two of ``keys`` share a name or a key.
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
        keyring=make_keyring(key, keys),
        shared=shared,
    )


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach ``address``."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def admit(policy: Policy, path: str, headers: Mapping[bytes, bytes]) -> Principal:
    """Decide on one request. Returns who asks; about a microsecond.

    ``headers`` has lower-case names. The order matters: a forged Host is refused
    before the key is looked at, so that a page cannot probe for keys.

    Raises:
        Forbidden: the Host, the Origin, or what this key may not do.
        InvalidApiKey: no key, or one that is not known here.
    """
    check_origin(policy, headers)
    if path in _OPEN_PATHS:
        return ANYBODY
    principal = policy.keyring.find(headers)
    if not principal.operator and not policy.shared(path):
        raise Forbidden(
            f"The key {principal.name!r} may use models and nothing else here.",
            remedy="Use the colony's key for this.",
        )
    return principal


def check_origin(policy: Policy, headers: Mapping[bytes, bytes]) -> None:
    """Refuse what a page of another site would send; all that a preflight must pass.

    Raises:
        Forbidden: the Host or the Origin is not on the list, or the site is another.
    """
    host = _host_name(headers.get(b"host", b""))
    if host not in policy.hosts:
        raise Forbidden(
            f"This server does not answer to the host name {host!r}.",
            remedy="Use localhost or an address of the machine, or add the name to "
            "`allowed_hosts` in config.toml.",
            param="Host",
        )
    given = headers.get(b"origin")
    if given:
        origin = given.decode("latin-1").lower()
        if origin not in policy.origins:
            raise Forbidden(
                f"Pages of {origin} may not use this server.",
                remedy="Add the origin to `allowed_origins` in config.toml if you trust it.",
                param="Origin",
            )
    elif headers.get(b"sec-fetch-site") == b"cross-site":
        raise Forbidden("Pages of another site may not use this server.", param="Sec-Fetch-Site")


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
        origin = headers.get(b"origin")
        try:
            if preflight:
                check_origin(self._policy, headers)
            else:
                scope[PRINCIPAL] = admit(self._policy, scope["path"], headers)
        except RbeeError as error:
            await send_problem(send, error, self._render(error, scope["path"]))
            return
        if preflight and origin is not None:
            await _answer_preflight(send, origin, headers)
        elif origin is not None:
            await self._app(scope, receive, _with_cors(send, origin))
        else:
            await self._app(scope, receive, send)


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


@lru_cache(maxsize=_HOSTS_KEPT_MAX)
def _host_name(header: bytes) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    value = header.decode("latin-1").strip().lower()
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
