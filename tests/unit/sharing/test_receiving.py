"""Receive a file from a server that cuts, holds, refuses, or has another file."""

from functools import partial
from http import HTTPStatus
from pathlib import Path

import anyio
import pytest

from rbee.errors import CapacityError, HubError, StorageError
from rbee.foundation.pace import make_pace, unlimited
from rbee.hive.sharing.receiving import Request, receive
from rbee.testing.stub_server import Answer, Faults, Seen, StubServer
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 4096 * 3  # 3 MiB
MIB = 1 << 20
TICKET = {"x-rbee-ticket": "rbt1.beta.1.00"}


class OneFile(StubServer):
    """One file at every path."""

    def __init__(self, faults: Faults | None = None, content: bytes = CONTENT) -> None:
        super().__init__()
        self.file = Answer(HTTPStatus.OK, {}, content, faults or Faults())

    def answer(self, request: Seen) -> Answer:  # noqa: ARG002  whatever is asked
        return self.file


def asked(server: StubServer, target: Path, size_bytes: int | None = len(CONTENT)) -> Request:
    return Request(url=f"{server.url}/f", headers=TICKET, target=target, size_bytes=size_bytes)


def nothing(_have: int, _total: int | None) -> None:
    return


async def test_the_whole_file_arrives_and_is_reported(tmp_path: Path) -> None:
    seen: list[int] = []
    with OneFile() as server:
        await receive(asked(server, tmp_path / "f"), lambda have, _: seen.append(have), unlimited)
        headers = server.requests[0].headers
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)
    assert headers["x-rbee-ticket"] == TICKET["x-rbee-ticket"]
    assert "authorization" not in headers


async def test_it_goes_on_from_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT[:1000])
    with OneFile() as server:
        await receive(asked(server, tmp_path / "f"), nothing, unlimited)
        assert server.requests[0].headers["range"] == "bytes=1000-"
    assert (tmp_path / "f").read_bytes() == CONTENT


async def test_what_is_whole_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    with OneFile() as server:
        await receive(asked(server, tmp_path / "f"), nothing, unlimited)
        assert not server.requests


async def test_a_cut_is_gone_on_with(tmp_path: Path) -> None:
    with OneFile(Faults(cut_after=MIB, cuts=2)) as server:
        await receive(asked(server, tmp_path / "f"), nothing, unlimited)
        assert len(server.requests) == 3
    assert (tmp_path / "f").read_bytes() == CONTENT


async def test_a_server_that_gives_nothing_more_is_left(tmp_path: Path) -> None:
    with OneFile(Faults(cut_after=0, cuts=100)) as server:
        with pytest.raises(HubError):
            await receive(asked(server, tmp_path / "f"), nothing, unlimited)
        assert len(server.requests) == 2


async def test_another_size_is_another_file(tmp_path: Path) -> None:
    with OneFile(content=CONTENT[:-1]) as server, pytest.raises(HubError, match="size"):
        await receive(asked(server, tmp_path / "f"), nothing, unlimited)
    with OneFile(content=CONTENT + b"x") as server, pytest.raises(HubError, match="size"):
        await receive(asked(server, tmp_path / "f"), nothing, unlimited)


async def test_a_server_without_ranges_sends_it_anew(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"of something else")
    with OneFile(Faults(ignore_range=True)) as server:
        await receive(asked(server, tmp_path / "f"), nothing, unlimited)
    assert (tmp_path / "f").read_bytes() == CONTENT


async def test_busy_and_refused_are_told_apart(tmp_path: Path) -> None:
    with OneFile() as server:
        server.file = Answer(HTTPStatus.SERVICE_UNAVAILABLE)
        with pytest.raises(CapacityError):
            await receive(asked(server, tmp_path / "f"), nothing, unlimited)
        server.file = Answer(HTTPStatus.FORBIDDEN)
        with pytest.raises(HubError, match="403"):
            await receive(asked(server, tmp_path / "f"), nothing, unlimited)


async def test_nobody_there(tmp_path: Path) -> None:
    request = Request(url="http://127.0.0.1:1/f", headers={}, target=tmp_path / "f")
    with pytest.raises(HubError, match="nothing listens"):
        await receive(request, nothing, unlimited)


async def test_tls_needs_a_certificate_of_the_colony(tmp_path: Path) -> None:
    request = Request(url="https://127.0.0.1:1/f", headers={}, target=tmp_path / "f")
    with pytest.raises(HubError, match="certificate"):
        await receive(request, nothing, unlimited)


async def test_a_disk_that_refuses_is_our_own_fault(tmp_path: Path) -> None:
    with OneFile() as server, pytest.raises(StorageError):
        await receive(asked(server, tmp_path / "no" / "folder" / "f"), nothing, unlimited)


async def test_cancelled_it_has_let_go_of_the_file(tmp_path: Path) -> None:
    target = tmp_path / "f"
    with OneFile(Faults(hold_after=MIB)) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(receive, asked(server, target), nothing, unlimited))
            await until(lambda: target.exists() and target.stat().st_size > 0)
            group.cancel_scope.cancel()
        size = target.stat().st_size
        server.release()
    assert target.stat().st_size == size <= MIB


async def test_the_pace_is_kept(tmp_path: Path) -> None:
    began = anyio.current_time()
    with OneFile() as server:
        await receive(asked(server, tmp_path / "f"), nothing, make_pace(6.0))
    assert anyio.current_time() - began > 0.2  # 3.1 MB at 6 MB/s, less what a burst allows
