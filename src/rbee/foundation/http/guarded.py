"""Fetching what a stranger named, without being turned against one's own network (SSRF).

A URL in a request is written by whoever holds a key, and fetched from a machine that sees
more than they do: routers, other hives, a cloud's metadata service. So a name is resolved
here, every address is judged, and the connection goes to the very address that was judged
(``PublicOnly``): a name that answers differently the second time gains nothing. Redirects
are connections like all others. ``queen.inference.media`` fetches with this;
``redirect_guard`` keeps a model hub's redirects out of the private network.
"""

import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import anyio
import httpcore2
import httpx2

from rbee.errors import InvalidRequest

REDIRECTS_MAX: Final = 3  # a picture's host and its CDN; more is a loop
CONNECT_S: Final = 5.0  # a public server answers in a fraction of it

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address is in the end
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]


class NotPublic(OSError):
    """A name that leads to an address which is nobody's business outside."""


class Fetched:
    """A body and what its server says it is."""

    __slots__ = ("body", "content_type")

    def __init__(self, body: bytes, content_type: str) -> None:
        self.body = body
        self.content_type = content_type


def is_public(text: str) -> bool:
    """Whether an address belongs to the open internet, and not to this or a near machine.

    IPv4 addresses that are dressed as IPv6 (mapped, 6to4, Teredo, NAT64) count as themselves.
    """
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if any(one is not None and not _is_global(one) for one in inner):
            return False
        if address.ipv4_mapped is not None:
            return True
    return _is_global(address)


def _is_global(address: Address) -> bool:
    return address.is_global and not address.is_multicast


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system resolves it.

    Raises:
        OSError: the name is not known.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class PublicOnly(httpcore2.AsyncNetworkBackend):
    """A network in which only public addresses exist. Names are resolved and judged here."""

    def __init__(
        self,
        *,
        resolving: Resolve = resolve,
        over: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._resolving = resolving
        system: Any = httpcore2.AnyIOBackend()
        self._inner: httpcore2.AsyncNetworkBackend = over or system

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to an address of ``host`` that was judged.

        Raises:
            NotPublic: one of its addresses is not public; then none of them is used.
        """
        try:
            addresses = await self._resolving(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} is not known") from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise NotPublic(f"{host} is not on the open internet")
        return await self._inner.connect_tcp(
            addresses[0], port, timeout, local_address, socket_options
        )


async def fetch(
    url: str,
    *,
    hosts: frozenset[str],
    bytes_max: int,
    within_s: float,
    network: httpcore2.AsyncNetworkBackend | None = None,
    tls: ssl.SSLContext | None = None,
) -> Fetched:
    """GET ``url`` from a public server among ``hosts`` (``*``: any), redirects included.

    Raises:
        InvalidRequest: it may not be fetched, is too large, too slow, or not there.
    """
    async with httpcore2.AsyncConnectionPool(
        ssl_context=tls, network_backend=network or PublicOnly(), max_connections=1
    ) as pool:
        try:
            with anyio.fail_after(within_s):
                return await _follow(pool, url, hosts, bytes_max)
        except TimeoutError:
            raise _refused(url, f"it did not come within {within_s:.0f} s") from None
        except NotPublic as error:
            raise _refused(url, str(error)) from None
        except (OSError, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            why = "no connection" if isinstance(error, httpcore2.ConnectError) else "it broke off"
            raise _refused(url, why) from None
        except httpcore2.TimeoutException:
            raise _refused(url, "it does not answer") from None


async def _follow(
    pool: httpcore2.AsyncConnectionPool, url: str, hosts: frozenset[str], bytes_max: int
) -> Fetched:
    at = url
    for _ in range(REDIRECTS_MAX + 1):
        _check(url, at, hosts)
        timeouts = {"connect": CONNECT_S, "read": None, "write": CONNECT_S, "pool": None}
        async with pool.stream(
            "GET",
            at,
            headers={"User-Agent": "rbee", "Accept-Encoding": "identity"},
            extensions={"timeout": timeouts},
        ) as answer:
            headers = {name.lower(): value for name, value in answer.headers}
            if answer.status in _REDIRECTS and b"location" in headers:
                at = urljoin(at, headers[b"location"].decode("latin-1"))
                continue
            if answer.status != HTTPStatus.OK:
                raise _refused(url, f"its server answers {answer.status}")
            body = bytearray()
            async for part in answer.aiter_stream():
                body += part
                if len(body) > bytes_max:
                    raise _refused(url, f"it has more than {bytes_max >> 20} MiB")
            kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0]
            return Fetched(bytes(body), kind.strip().lower())
    raise _refused(url, "it redirects for ever")


def _check(url: str, at: str, hosts: frozenset[str]) -> None:
    """What may be asked at all, the network aside."""
    try:
        parts = urlsplit(at)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise _refused(url, "it is no URL") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _refused(url, "only http and https are fetched")
    if parts.username is not None:
        raise _refused(url, "it holds a user name")
    if port != _PORTS[parts.scheme]:
        raise _refused(url, "it names a port; services of all kinds listen on others")
    if "*" not in hosts and parts.hostname.lower() not in hosts:
        raise _refused(url, f"{parts.hostname} is not among `media_hosts`")


def _refused(url: str, why: str) -> InvalidRequest:
    """Says the host alone: the rest of a URL may hold a signature."""
    host = "it"
    with contextlib.suppress(ValueError):
        host = urlsplit(url).hostname or host
    return InvalidRequest(
        f"A URL of the request (at {host}) is not fetched: {why}.",
        remedy="Send the content itself as a `data:` URL.",
    )


def redirect_guard(
    endpoint: str, *, resolving: Resolve = resolve
) -> Callable[[httpx2.Request], Awaitable[None]]:
    """An ``httpx2`` request hook: where a source that was configured may send its client.

    To its own host, and to the open internet; into a private network only when it stands
    in one itself. Never from https to http. (Tokens stay at the host that was asked:
    httpx2 drops them with the first redirect to another.)
    """
    first = httpx2.URL(endpoint)
    own: bool | None = None

    async def private(host: str, port: int) -> bool:
        try:
            return not all(is_public(address) for address in await resolving(host, port))
        except OSError:
            return False  # nothing to connect to, or a proxy that knows more than we do

    async def hook(request: httpx2.Request) -> None:
        nonlocal own
        url = request.url
        if url.host == first.host:
            return
        if first.scheme == "https" and url.scheme != "https":
            raise httpx2.UnsupportedProtocol(f"{first.host} sends on to {url.host} without TLS")
        if own is None:
            own = await private(first.host, first.port or _PORTS.get(first.scheme, 443))
        if not own and await private(url.host, url.port or _PORTS.get(url.scheme, 443)):
            raise httpx2.UnsupportedProtocol(
                f"{first.host} sends on to {url.host}, which is in a private network"
            )

    return hook
