"""Fetching for strangers: which addresses count as public, and what is connected to."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpcore2
import httpx2
import pytest

from rbee.errors import InvalidRequest
from rbee.foundation.http.guarded import (
    Fetched,
    NotPublic,
    PublicOnly,
    fetch,
    is_public,
    redirect_guard,
)
from rbee.foundation.http.server import port_of

pytestmark = pytest.mark.anyio

ANY = frozenset({"*"})


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",  # noqa: S104  judged, not bound
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "64:ff9b::a00:1",
        "64:ff9b::7f00:1",
        "2001:db8::1",
        "gaming-pc",
        "",
    ],
)
async def test_near_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"]
)
async def test_far_addresses_are(address: str) -> None:
    assert is_public(address)


@asynccontextmanager
async def server(answers: dict[str, bytes]) -> AsyncGenerator[tuple[PublicOnly, list[str]]]:
    """A server that stands for the internet: whatever name is asked for leads to it."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
        asked.append(f"{host}{head.split(' ')[1]}")
        writer.write(answers.get(asked[-1], b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        over = _Redirected(port_of(listening.sockets[0]))
        network = PublicOnly(resolving=_resolving, over=over)
        yield network, asked


NAMES = {
    "pictures.example": ["93.184.216.34"],
    "router.example": ["192.168.1.1"],
    "both.example": ["93.184.216.34", "127.0.0.1"],
}


async def _resolving(host: str, _port: int) -> list[str]:
    if host not in NAMES:
        raise OSError(host)
    return NAMES[host]


class _Redirected(httpcore2.AsyncNetworkBackend):
    """The end of the wire: public addresses are this test's server."""

    def __init__(self, port: int) -> None:
        self._port = port
        system: Any = httpcore2.AnyIOBackend()
        self._system: httpcore2.AsyncNetworkBackend = system

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        assert is_public(host)
        assert port == 80
        return await self._system.connect_tcp(
            "127.0.0.1", self._port, timeout, local_address, socket_options
        )


def ok(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png; x=y\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def to(url: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode()


async def get(network: PublicOnly, url: str, hosts: frozenset[str] = ANY) -> Fetched:
    return await fetch(url, hosts=hosts, bytes_max=1024 * 1024, within_s=5, network=network)


async def test_a_public_picture_comes_over_a_redirect() -> None:
    answers = {
        "pictures.example/a": to("/b"),
        "pictures.example/b": ok(b"picture"),
    }
    async with server(answers) as (network, asked):
        found = await get(network, "http://pictures.example/a")
    assert (found.body, found.content_type) == (b"picture", "image/png")
    assert asked == ["pictures.example/a", "pictures.example/b"]


@pytest.mark.parametrize(
    "url",
    [
        "http://router.example/",
        "http://both.example/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://localhost/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://unknown.example/",
        "http://pictures.example:22/",
        "http://user@pictures.example/",
        "ftp://pictures.example/",
        "file:///etc/passwd",
        "http://pictures.example/to-router",
        "http://pictures.example/loop",
        "http://pictures.example/large",
        "http://pictures.example/missing",
        "http://[broken/",
    ],
)
async def test_nothing_else_is_fetched(url: str) -> None:
    answers = {
        "pictures.example/to-router": to("http://router.example/admin"),
        "pictures.example/loop": to("/loop"),
        "pictures.example/large": ok(b"x" * 1024 * 1024 + b"x"),
    }
    async with server(answers) as (network, asked):
        with pytest.raises(InvalidRequest) as raised:
            await get(network, url)
    assert not any(host.startswith("router") for host in asked)
    assert "admin" not in raised.value.message


async def test_hosts_that_are_not_named_are_not_asked() -> None:
    async with server({"pictures.example/a": ok(b"")}) as (network, asked):
        with pytest.raises(InvalidRequest, match="media_hosts"):
            await get(network, "http://pictures.example/a", frozenset({"others.example"}))
    assert asked == []


async def test_the_real_network_refuses_loopback_under_any_name() -> None:
    with pytest.raises(NotPublic):
        await PublicOnly().connect_tcp("localhost", 80)


async def test_a_hub_may_send_on_to_the_internet_and_no_further() -> None:
    guard = redirect_guard("https://pictures.example", resolving=_resolving)
    for url in ("https://pictures.example/x", "https://unknown.example/x"):
        await guard(httpx2.Request("GET", url))
    for url in ("https://router.example/", "https://both.example/", "http://pictures2.example/"):
        with pytest.raises(httpx2.UnsupportedProtocol):
            await guard(httpx2.Request("GET", url))
    inside = redirect_guard("http://router.example", resolving=_resolving)
    await inside(httpx2.Request("GET", "http://both.example/"))
