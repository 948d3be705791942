"""A hive's link over real sockets: beats, commands, tunnels, what breaks, and who may not."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import msgspec
import pytest

from rbee.contracts.hives import HeartbeatAck
from rbee.errors import HiveUnreachable, InvalidApiKey, LinkRefused, StaleEpoch
from rbee.foundation.link.connection import Connection
from rbee.foundation.mux import frames, websocket
from rbee.foundation.mux.frames import Hello
from rbee.foundation.mux.mux import LinkLost, StreamRefused
from rbee.hive.link.dial import dial
from rbee.queen.links.http import LinkHttp
from rbee.queen.links.registry import LAG_MAX_S, RESUME_S, SILENT_S, SWEEP_EVERY_S
from rbee.testing.raw_worker import beat, ready_worker
from rbee.testing.waiting import until
from unit.queen.links_rig import EPOCH, HiveEnd, linked, queen_end

pytestmark = pytest.mark.anyio

SIZE = 3_000_000  # many windows


class Talk(asyncio.Protocol):
    """A client of a stream that keeps what it got."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.transport: asyncio.Transport | None = None
        self.error: Exception | None = None
        self.over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # pyright: ignore[reportAttributeAccessIssue]  a stream goes both ways

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.over, self.error = True, exc


@asynccontextmanager
async def echo_worker() -> AsyncGenerator[int]:
    """A worker that sends back what it is sent; gives its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(16_384):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


# ── beats ─────────────────────────────────────────────────────────────────────


async def test_beats_reach_the_registry_and_are_answered(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, hive, _):
        told = beat([ready_worker("w1", 9001)], hive_id="far")
        assert hive.main.beat(msgspec.json.encode(told))
        await until(lambda: bool(hive.acks))
        ack = msgspec.json.decode(hive.acks[0], type=HeartbeatAck)
        assert ack.wanted == ["capabilities"]
        assert [view.id for view in queen.colony.hives()] == ["far"]
        assert [heard.hive_id for heard in queen.beats] == ["far"]
        assert hive.epochs.highest == EPOCH


async def test_a_beat_over_the_limit_goes_another_way(tmp_path: Path) -> None:
    async with linked(tmp_path) as (_, hive, _cable):
        assert not hive.main.beat(bytes(frames.BEAT_BYTES_MAX + 1))


# ── commands and model bytes ──────────────────────────────────────────────────


async def test_the_hives_api_is_reached_without_any_port(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, _hive, _cable):
        line = queen.lines.to("link://far", "far")
        assert (await line.health()).status == "ok"
        assert (await line.health()).status == "ok"  # the stream is used again
        body = bytes(range(256)) * 8000
        async with httpx2.AsyncClient(transport=LinkHttp(queen.links, "far")) as http:
            answer = await http.post("http://hive/echo", content=body)
        assert answer.content == body


async def test_the_bulk_lane_opens_when_it_is_wanted(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, _hive, _cable):
        assert not queen.links.linked("far", "bulk")
        body = bytes(SIZE)
        async with httpx2.AsyncClient(transport=LinkHttp(queen.links, "far", "bulk")) as http:
            answer = await http.post("http://hive/echo", content=body)
        assert len(answer.content) == SIZE
        assert queen.links.linked("far", "bulk")
        line = queen.lines.bulk("far")
        assert line is not None
        assert (await line.health()).status == "ok"


async def test_a_hive_without_a_link_is_unreachable(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, _hive, cable):
        line = queen.lines.to("link://far", "far")
        cable.cut()
        await until(lambda: not queen.links.linked("far"))
        with pytest.raises(HiveUnreachable, match="no link"):
            await line.health()


# ── tunnels ───────────────────────────────────────────────────────────────────


async def test_a_worker_is_reached_through_its_hive(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, hive, _), echo_worker() as port:
        hive.places["w1"] = ("127.0.0.1", port)
        talk = queen.links.open("far", "worker:w1", Talk)
        assert talk.transport is not None
        talk.transport.write(b"at once, before any answer")
        await until(lambda: talk.got == b"at once, before any answer")
        talk.transport.write_eof()
        await until(lambda: talk.over)
        assert talk.error is None


async def test_streams_go_on_over_a_cable_that_is_cut_again_and_again(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, hive, cable), echo_worker() as port:
        hive.places["w1"] = ("127.0.0.1", port)
        talk = queen.links.open("far", "worker:w1", Talk)
        assert talk.transport is not None
        sent = b"".join(number.to_bytes(4) for number in range(SIZE // 4))
        talk.transport.write(sent)
        for part in (1, 2, 3):
            await until(lambda part=part: len(talk.got) > part * SIZE // 5)
            cable.cut()
            cable.mend()
        await until(lambda: len(talk.got) >= SIZE)
        assert talk.got == sent
        assert not talk.over


async def test_who_does_not_read_holds_its_worker_up(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, hive, _), echo_worker() as port:
        hive.places["w1"] = ("127.0.0.1", port)
        talk = queen.links.open("far", "worker:w1", Talk)
        other = queen.links.open("far", "worker:w1", Talk)
        assert talk.transport is not None
        assert other.transport is not None
        talk.transport.pause_reading()
        talk.transport.write(bytes(SIZE))
        other.transport.write(b"not held up")
        await until(lambda: other.got == b"not held up")
        assert not talk.got
        assert talk.transport.get_write_buffer_size() > 0
        talk.transport.resume_reading()
        await until(lambda: len(talk.got) == SIZE)


async def test_a_worker_that_is_not_there_is_refused_with_words(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, hive, _):
        async with echo_worker() as gone:
            hive.places["w2"] = ("127.0.0.1", gone)
        for worker_id, words in (("w1", "no worker"), ("w2", "cannot be reached")):
            talk = queen.links.open("far", f"worker:{worker_id}", Talk)
            await until(lambda talk=talk: talk.over)
            assert isinstance(talk.error, StreamRefused)
            assert words in str(talk.error)


async def test_a_queen_that_leaves_ends_the_workers_work(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(-1)
        writer.close()
        left.set()

    server = await asyncio.start_server(work, "127.0.0.1", 0)
    async with server, linked(tmp_path) as (queen, hive, _):
        hive.places["w1"] = server.sockets[0].getsockname()[:2]
        talk = queen.links.open("far", "worker:w1", Talk)
        assert talk.transport is not None
        talk.transport.write(b"question")
        await until(lambda: queen.links.linked("far"))
        talk.transport.abort()
        await asyncio.wait_for(left.wait(), 5)


# ── time ──────────────────────────────────────────────────────────────────────


async def test_streams_of_a_hive_that_does_not_come_back_are_lost(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, hive, cable), echo_worker() as port:
        hive.places["w1"] = ("127.0.0.1", port)
        told: list[bool] = []
        queen.links.subscribe(lambda hive_id: told.append(queen.links.linked(hive_id)))
        talk = queen.links.open("far", "worker:w1", Talk)
        cable.cut()
        await until(lambda: told == [False])
        assert not talk.over  # it waits
        now = asyncio.get_running_loop().time()
        queen.links.sweep(now)
        for second in range(1, int(RESUME_S) + 3):
            queen.links.sweep(now + second * SWEEP_EVERY_S)
        await until(lambda: talk.over)
        assert isinstance(talk.error, LinkLost)


async def test_a_queen_that_did_not_run_blames_no_silent_hive(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, _hive, _cable):
        now = asyncio.get_running_loop().time()
        queen.links.sweep(now)
        queen.links.sweep(now + 10 * SILENT_S)  # she hung
        assert queen.links.linked("far")
        for second in range(1, int(SILENT_S + LAG_MAX_S) + 2):
            queen.links.sweep(now + 10 * SILENT_S + second * SWEEP_EVERY_S)
        await until(lambda: not queen.links.linked("far"))


async def test_a_hive_is_back_after_its_queen_restarted(tmp_path: Path) -> None:
    async with linked(tmp_path) as (queen, hive, _cable), echo_worker() as port:
        hive.places["w1"] = ("127.0.0.1", port)
        talk = queen.links.open("far", "worker:w1", Talk)
        queen.links.close()  # as a queen that goes
        await until(lambda: talk.over)
        await until(lambda: queen.links.linked("far"))
        again = queen.links.open("far", "worker:w1", Talk)
        assert again.transport is not None
        again.transport.write(b"hello")
        await until(lambda: again.got == b"hello")


# ── who may not ───────────────────────────────────────────────────────────────


class Raw:
    """A hive made of bytes: says what a test wants it to say."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.connection = Connection(self, server=False)
        self.reason: str | None = None

    def receive(self, message: bytes) -> None:
        self.messages.append(message)

    def lost(self, connection: Connection, reason: str) -> None:
        assert connection is self.connection
        self.reason = reason

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass


async def raw_hive(port: int, hello: Hello | None, *, key: str | None = None) -> Raw:
    transport = await dial(f"http://127.0.0.1:{port}", "main", key=key, context=None)
    raw = Raw()
    raw.connection.begin(transport)
    if hello is not None:
        raw.connection.send(frames.head(frames.HELLO) + msgspec.json.encode(hello))
        await until(lambda: bool(raw.messages) or raw.reason is not None)
    return raw


def hello(hive_id: str = "far", *, session: int = 1, version: int = frames.VERSION) -> Hello:
    return Hello(version=version, hive_id=hive_id, session=f"{session:032x}")


async def test_without_the_key_there_is_no_link() -> None:
    async with queen_end(key="k" * 20) as queen:
        with pytest.raises(InvalidApiKey):
            await raw_hive(queen.port, hello())
        raw = await raw_hive(queen.port, hello(), key="k" * 20)
        assert raw.reason is None
        assert queen.links.linked("far")
        raw.connection.abort("done")


async def test_a_second_hive_of_a_living_ones_name_is_refused() -> None:
    async with queen_end() as queen:
        first = await raw_hive(queen.port, hello(session=1))
        second = await raw_hive(queen.port, hello(session=2))
        assert second.reason is not None
        assert "another hive speaks as 'far'" in second.reason
        assert second.connection.close_code == websocket.POLICY
        assert first.reason is None
        again = await raw_hive(queen.port, hello(session=1))  # the first, over a new connection
        assert again.reason is None
        await until(lambda: first.reason is not None)
        again.connection.abort("done")


@pytest.mark.parametrize(
    "message",
    [
        frames.head(frames.BEAT) + msgspec.json.encode(beat([], hive_id="another")),
        frames.head(frames.BEAT) + b"{",
        frames.head(frames.BEAT) + b'{"hive_id": "\xff"}',
        frames.head(frames.OPEN, 1) + b"hive",
        frames.head(frames.DATA, 1) + b"x",
        frames.head(frames.PING) + bytes(1000),
        frames.head(99),
        b"",
    ],
)
async def test_a_hostile_hive_is_shut_out(message: bytes) -> None:
    async with queen_end() as queen:
        raw = await raw_hive(queen.port, hello())
        raw.connection.send(message)
        await until(lambda: raw.reason is not None)
        assert raw.connection.close_code == websocket.POLICY
        await until(lambda: not queen.links.linked("far"))
        assert not queen.colony.hives()


async def test_an_oversize_message_is_refused_before_it_is_read() -> None:
    async with queen_end() as queen:
        raw = await raw_hive(queen.port, hello())
        raw.connection.send(bytes(frames.MESSAGE_BYTES_MAX + 1))
        await until(lambda: raw.reason is not None)
        assert raw.connection.close_code == websocket.TOO_BIG


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (hello(version=2), "speaks version 1, not 2"),
        (hello(" blank "), "out of bounds"),
    ],
)
async def test_a_hello_that_cannot_be_is_refused_with_words(first: Hello, words: str) -> None:
    async with queen_end() as queen:
        raw = await raw_hive(queen.port, first)
        assert raw.reason is not None
        assert words in raw.reason
        assert queen.links.count() == 0


async def test_a_hive_takes_no_link_of_a_queen_that_was_replaced(tmp_path: Path) -> None:
    async with queen_end() as queen:
        hive = HiveEnd(f"http://127.0.0.1:{queen.port}", tmp_path)
        hive.epochs.check(EPOCH + 1)
        with pytest.raises(StaleEpoch):
            await hive.main._join()
        assert not hive.main.alive


async def test_a_refused_hive_says_so(tmp_path: Path) -> None:
    async with queen_end() as queen:
        first = await raw_hive(queen.port, hello(session=1))
        twin = HiveEnd(f"http://127.0.0.1:{queen.port}", tmp_path)
        with pytest.raises(LinkRefused, match="another hive"):
            await twin.main._join()
        first.connection.abort("done")
