"""Listening: both families, no delayed packets, and a taken port says by whom."""

import os
import socket
from collections.abc import AsyncIterator

import anyio
import pytest
from starlette.responses import PlainTextResponse

from rbee.errors import PortTaken, StartError
from rbee.foundation.http.server import DaemonServer, bind, make_server, port_of

pytestmark = pytest.mark.anyio

DEADLINE_S = 5.0

with_ipv6 = pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")


def close(sockets: list[socket.socket]) -> None:
    for listener in sockets:
        listener.close()


@pytest.fixture
async def server() -> AsyncIterator[tuple[DaemonServer, int]]:
    sockets = bind("localhost", 0)
    serving = make_server(PlainTextResponse("here"))
    async with anyio.create_task_group() as group:
        group.start_soon(serving.serve, sockets)
        with anyio.fail_after(DEADLINE_S):
            while not serving.started:  # noqa: ASYNC110  uvicorn has no event for it
                await anyio.sleep(0.005)
        yield serving, port_of(sockets[0])
        serving.should_exit = True


async def ask(host: str, port: int) -> bytes:
    with anyio.fail_after(DEADLINE_S):
        async with await anyio.connect_tcp(host, port) as stream:
            await stream.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            async for chunk in stream:
                answer += chunk
            return answer


@with_ipv6
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_localhost_is_both_families(server: tuple[DaemonServer, int], host: str) -> None:
    assert (await ask(host, server[1])).endswith(b"here")


async def test_accepted_connections_send_at_once(server: tuple[DaemonServer, int]) -> None:
    serving, port = server
    for host in ("127.0.0.1", "::1") if socket.has_ipv6 else ("127.0.0.1",):
        async with await anyio.connect_tcp(host, port):
            with anyio.fail_after(DEADLINE_S):
                while not serving.server_state.connections:  # noqa: ASYNC110  as above
                    await anyio.sleep(0.005)
            (protocol,) = serving.server_state.connections
            accepted = protocol.transport.get_extra_info("socket")  # pyright: ignore[reportAttributeAccessIssue]  uvicorn's own protocol
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        with anyio.fail_after(DEADLINE_S):
            while serving.server_state.connections:  # noqa: ASYNC110  as above
                await anyio.sleep(0.005)


async def test_the_server_does_not_name_its_make(server: tuple[DaemonServer, int]) -> None:
    assert b"uvicorn" not in (await ask("127.0.0.1", server[1])).lower()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_taken_port_says_by_whom(host: str) -> None:
    sockets = bind(host, 0)
    port = port_of(sockets[0])
    try:
        with pytest.raises(PortTaken) as caught:
            bind(host, port)
    finally:
        close(sockets)
    assert str(port) in caught.value.message
    assert f"(pid {os.getpid()})" in caught.value.message
    assert caught.value.remedy


@with_ipv6
def test_both_families_have_the_same_port() -> None:
    sockets = bind("localhost", 0)
    try:
        assert {listener.family for listener in sockets} == {socket.AF_INET, socket.AF_INET6}
        assert len({port_of(listener) for listener in sockets}) == 1
    finally:
        close(sockets)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(StartError) as caught:
        bind("192.0.2.1", 0)
    assert "192.0.2.1" in caught.value.message
    assert not isinstance(caught.value, PortTaken)


@with_ipv6
def test_a_port_taken_on_the_other_family_alone_is_refused_too() -> None:
    """A stranger on [::1] would answer for us whoever asks `localhost`."""
    stranger = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    try:
        stranger.bind(("::1", 0))
        stranger.listen()
        with pytest.raises(PortTaken):
            close(bind("localhost", port_of(stranger)))
    finally:
        stranger.close()
