"""The gate before every route of both servers: Host, Origin, key. Deny by default.

A page in the operator's browser must not be able to drive an unauthenticated
loopback server, neither from another origin (Origin and Sec-Fetch-Site) nor by
a name that resolves to 127.0.0.1 (Host). curl and other programs send no Origin
and pass. ``admit`` is the decision, and costs dictionary look-ups only; ``Gate``
applies it as ASGI middleware and puts who asks into ``scope[PRINCIPAL]``. Who may use
a route besides operators stands in each room's ``api/access``; a route that stands there
not is the operators' alone.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec
import psutil
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from rbee.contracts.keys import KEY_ID_PREFIX
from rbee.contracts.principals import (
    ANYBODY,
    LOCAL,
    QUEEN,
    KeySetting,
    Principal,
    Scope,
    hive_principal,
)
from rbee.errors import Forbidden, InvalidApiKey, RbeeError, UnsafeBind
from rbee.foundation.addresses import is_loopback
from rbee.foundation.http.cors import answer_preflight, with_cors
from rbee.foundation.http.keys import Keyring, make_keyring
from rbee.foundation.http.own_pages import is_page
from rbee.foundation.http.problems import send_problem
from rbee.foundation.http.sessions import SAFE_METHODS
from rbee.foundation.http.tls import QUEEN as QUEEN_URI
from rbee.foundation.http.tls import Peer

PRINCIPAL: Final = "rbee.principal"
"""Where a request's ``Principal`` stands in its ASGI scope."""

PEER: Final = "rbee.peer"
"""Where the server puts whom a connection's client certificate names; absent without one."""

LINK_PLACE: Final = "link"
"""What ``foundation.link`` says instead of an address; no socket's peer is called so."""

OPEN: Final[frozenset[Scope]] = frozenset({"open"})
"""What a route says that wants no key."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_OPEN_PATHS = frozenset({"/health"})  # a load balancer's probe has no key and learns nothing
_GUARDED: Final = frozenset({"http", "websocket"})
_POLICY_VIOLATION: Final = 1008  # RFC 6455's code for it
_PATH_SHOWN_MAX: Final = 128  # of what a stranger asked for, in an error
_HOSTS_KEPT_MAX = 1024  # parsed Host headers: clients use a handful of names, forgers any


Needs: TypeAlias = Callable[[str, str], frozenset[Scope]]
"""From method and path to the scopes of which one is enough; none: operators only."""


def _operators_only(_method: str, _path: str) -> frozenset[Scope]:
    return frozenset()


def _every_peer(_peer: Peer) -> bool:
    return True


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in. ``hosts`` without ports, ``origins`` whole.

    ``pages`` says which paths are pages of an engine's own: their requests come from the page
    itself and from nowhere else, which proves as much as a CSRF token, and no such page has one.
    ``needs`` says of a route what scopes open it; ``accepts`` whether a certificate
    that is good for TLS still counts (it may have been revoked). ``inward``: without
    a key only programs on this machine get in; from elsewhere it takes a certificate.
    """

    hosts: frozenset[str]
    origins: frozenset[str]
    keyring: Keyring
    needs: Needs = _operators_only
    accepts: Callable[[Peer], bool] = _every_peer
    inward: bool = False
    pages: Callable[[str], bool] = is_page

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
    needs: Needs = _operators_only,
    accepts: Callable[[Peer], bool] = _every_peer,
    certificates: bool = False,
) -> Policy:
    """The policy of a server bound to ``bind:port``, with the operator's additions.

    ``key`` is the colony's, ``keys`` those of single clients, ``needs`` and
    ``accepts`` as in ``Policy``. ``certificates``: this machine is a member of a
    colony, so that others can show one and an open address needs no key.

    Raises:
        UnsafeBind: others could reach the address, and there is no colony key and
            no certificate that they could show.
        BadSettings: two of ``keys`` share a name or a key.
    """
    names = set(LOOPBACK_HOSTS)
    if not is_loopback(bind):
        if not key and not certificates:
            raise UnsafeBind(f"Refusing to listen on {bind} without a key: anyone could use it.")
        names |= _own_names(bind)
    own = {f"{kind}://{_bracketed(name)}:{port}" for name in names for kind in ("http", "https")}
    return Policy(
        hosts=frozenset(names | {host.lower() for host in hosts}),
        origins=frozenset(own | {origin.rstrip("/").lower() for origin in origins}),
        keyring=make_keyring(key, keys),
        needs=needs,
        accepts=accepts,
        inward=not key,
    )


def admit(
    policy: Policy,
    path: str,
    headers: Mapping[bytes, bytes],
    method: str = "POST",
    *,
    peer: Peer | None = None,
) -> Principal:
    """Decide on one request. Returns who asks; about a microsecond.

    ``headers`` has lower-case names; ``peer`` is whom the connection's certificate
    names: it speaks for that one, whatever key is shown beside it. The order
    matters: a forged Host is refused before the key is looked at, so that a page
    cannot probe for keys. Who shows a certificate is no page: it may have reached
    this machine under any name.

    Raises:
        Forbidden: the Host, the Origin, or what this key may not do.
        InvalidApiKey: no key, or one that is not known here.
        StorageError: not all keys are known at the moment.
    """
    if policy.pages(path):
        check_same_origin(policy, headers, method, peer)
        method = "GET" if peer is None else method  # the origin is what a CSRF token would prove
    elif peer is None or b"origin" in headers:
        check_origin(policy, headers)
    if path in _OPEN_PATHS:
        return ANYBODY
    if peer is not None:
        principal = _certified(policy, peer)
    else:
        try:
            principal = policy.keyring.find(headers, method)
        except RbeeError:
            if policy.needs(method, path) == OPEN:
                return ANYBODY
            raise
    if not principal.operator and principal.scopes.isdisjoint(policy.needs(method, path)):
        return _without_scope(policy, principal, method, path)
    return principal


def _certified(policy: Policy, peer: Peer) -> Principal:
    if not policy.accepts(peer):
        raise InvalidApiKey(
            f"The certificate of {peer.uri} counts no longer.",
            remedy="`rbee hive join` on that machine asks for a new one.",
        )
    if peer.hive_id is not None:
        return hive_principal(peer.hive_id)
    if peer.uri == QUEEN_URI:
        return QUEEN
    raise InvalidApiKey(f"The certificate names {peer.uri}, which is nobody here.")


def _without_scope(policy: Policy, principal: Principal, method: str, path: str) -> Principal:
    """Nobody needs a key for an open route; all others hear what is missing."""
    needed = policy.needs(method, path)
    if needed == OPEN:
        return principal
    words = " or ".join(sorted(needed | {"operator"}))
    raise Forbidden(
        f"The key {principal.name!r} has the scope {', '.join(sorted(principal.scopes))}; "
        f"{method} {path[:_PATH_SHOWN_MAX]} wants {words}.",
        remedy="Use the colony's key, or one with that scope (`rbee keys create --scope`).",
    )


def check_origin(policy: Policy, headers: Mapping[bytes, bytes]) -> None:
    """Refuse what a page of another site would send; all that a preflight must pass.

    Raises:
        Forbidden: the Host or the Origin is not on the list, or the site is another.
    """
    if not is_known_host(policy, headers):
        host = _host_name(headers.get(b"host", b""))
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


def is_known_host(policy: Policy, headers: Mapping[bytes, bytes]) -> bool:
    """Whether the server answers to the Host of a request."""
    return _host_name(headers.get(b"host", b"")) in policy.hosts


def check_same_origin(
    policy: Policy, headers: Mapping[bytes, bytes], method: str, peer: Peer | None
) -> None:
    """Refuse to a worker's own page what does not come from that page or a person's address bar.

    Raises:
        Forbidden: the Host is not on the list, or another origin asks; a frame of the console
            (``same-site``) may only load the page.
    """
    if peer is not None and b"origin" not in headers:
        return
    if not is_known_host(policy, headers):
        check_origin(policy, headers)
    origin = headers.get(b"origin")
    site = headers.get(b"sec-fetch-site", b"same-origin" if origin else b"none")
    own = origin is None or origin.partition(b"://")[2] == headers.get(b"host")
    safe = method in SAFE_METHODS
    by_cookie = b"cookie" in headers and b"authorization" not in headers
    if not own or site == b"cross-site" or (not safe and by_cookie and origin is None):
        raise Forbidden("Other pages may not use a worker's own page.", param="Origin")


class Gate:
    """ASGI middleware: refuse, answer a preflight, or pass on."""

    def __init__(
        self, app: ASGIApp, policy: Policy, render: Callable[[RbeeError, str], bytes]
    ) -> None:
        self._app = app
        self._policy = policy
        self._render = render

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Refuse what ``admit`` refuses; everything else goes to the app untouched."""
        if scope["type"] not in _GUARDED:
            await self._app(scope, receive, send)
            return
        policy = self._policy
        headers: dict[bytes, bytes] = dict(scope["headers"])
        method = scope.get("method", "GET")  # a WebSocket begins with one
        preflight = method == "OPTIONS" and b"access-control-request-method" in headers
        origin = headers.get(b"origin")
        try:
            if preflight:
                check_origin(policy, headers)
                principal = ANYBODY
            else:
                principal = admit(policy, scope["path"], headers, method, peer=scope.get(PEER))
                if principal is LOCAL and policy.inward and not _is_from_here(scope):
                    raise InvalidApiKey("Only programs on this machine come in without a key.")
            scope[PRINCIPAL] = principal
        except RbeeError as error:
            await self._refuse(scope, send, error)
            return
        if preflight and origin is not None:
            await answer_preflight(send, origin, headers)
            return
        if origin is not None and scope["type"] == "http":
            send = with_cors(send, origin)
        streams = scope["type"] == "http" and method == "GET"
        if streams and principal.id.startswith(KEY_ID_PREFIX):
            await _while_valid(self._app, scope, receive, send, policy.keyring.gone(principal))
        else:
            await self._app(scope, receive, send)

    async def _refuse(self, scope: AsgiScope, send: Send, error: RbeeError) -> None:
        if scope["type"] == "http":
            await send_problem(send, error, self._render(error, scope["path"]))
        else:  # before it is accepted, servers make a 403 of this
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})


def _is_from_here(scope: AsgiScope) -> bool:
    """Whether the connection comes from this machine, or over the link that it opened itself.

    A connection that is gone before its address was asked has none: it is not from here.
    """
    client = scope.get("client")
    return client is not None and (client[0] == LINK_PLACE or is_loopback(client[0]))


async def _while_valid(
    app: ASGIApp, scope: AsgiScope, receive: Receive, send: Send, gone: asyncio.Event
) -> None:
    """Run a request that may stream for ever; it ends when its key is revoked.

    To the app that looks as if the client had left; the client sees an end.
    """
    open_ended = False

    async def receiving() -> Message:
        asking = asyncio.ensure_future(receive())
        ending = asyncio.ensure_future(gone.wait())
        try:
            await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
            return {"type": "http.disconnect"} if gone.is_set() else asking.result()
        finally:
            asking.cancel()
            ending.cancel()

    async def sending(message: Message) -> None:
        nonlocal open_ended
        open_ended = message["type"] == "http.response.start" or message.get("more_body", False)
        await send(message)

    await app(scope, receiving, sending)
    if gone.is_set() and open_ended:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


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
