"""``/v1/ws`` on a real port, with a WebSocket library at the other end: what it tells, and whom.

How it ends (an hour, a revoked key, a client that never reads) is ``test_ws_ends``'s.
"""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from rbee.foundation.http.server import make_server
from rbee.queen.settings import Settings
from rbee.queen.state.publisher import STREAMS_MAX, Watcher
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import beat, ready_worker
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

KEY = "made-up-colony-key"
COLONY = {"authorization": f"Bearer {KEY}"}
WITHIN_S = 20.0  # a tenth of a second, on two cores that do nothing else
SMALL_BYTES = 4096  # of a receiving buffer: a slow client's
ROW_BYTES = 100_000
ROUNDS = 240  # 24 MB: more than the ring keeps and all buffers on the way hold together

Message = dict[str, Any]


@asynccontextmanager
async def queen(key: str | None = None) -> AsyncGenerator[RunningQueen]:
    """A queen whose port is open."""
    settings = Settings(quiet_s=0.2, store="memory")
    async with running_queen(settings=settings, key=key) as running:
        serving = make_server(running.queen.app, running.queen.hot)
        task = asyncio.create_task(serving.serve(sockets=running.daemon.sockets))
        try:
            if key is not None:
                await until(lambda: running.queen.keys._keyring.missing is None)
            yield running
        finally:
            serving.should_exit = True
            await task


@asynccontextmanager
async def mirror(
    running: RunningQueen,
    query: str = "stream=state",
    *,
    headers: Mapping[str, str] = {},
    origin: str | None = None,
    sock: socket.socket | None = None,
) -> AsyncGenerator[ClientConnection]:
    """A connection to her, while the block lasts."""
    url = f"ws://127.0.0.1:{running.daemon.port}/v1/ws?{query}"
    with anyio.fail_after(WITHIN_S):
        async with connect(
            url,
            additional_headers=headers,
            origin=None if origin is None else Origin(origin),
            compression=None,
            proxy=None,
            max_size=None,
            max_queue=1,
            sock=sock,
        ) as there:
            yield there


async def told(there: ClientConnection) -> Message:
    said = await there.recv()
    assert isinstance(said, str), "its messages are text"
    return json.loads(said)


def send(running: RunningQueen, at: float, *workers: str) -> None:
    message = beat([ready_worker(name, 9001) for name in workers], at=at)
    running.queen.colony.beat(message, anyio.current_time(), near=True)


async def until_gone(there: ClientConnection, worker: str) -> list[Message]:
    """The messages up to the one that takes a worker away."""
    seen: list[Message] = []
    while not seen or worker not in seen[-1]["tables"].get("workers", {}).get("del", []):
        seen.append(await told(there))
    return seen


def fold(tables: Message, message: Message) -> None:
    """As every client does it."""
    if message["type"] == "snapshot":
        tables.clear()
        tables.update(message["tables"])
        return
    for name, change in message["tables"].items():
        rows = tables.setdefault(name, {})
        rows.update(change.get("set", {}))
        for key in change.get("del", []):
            del rows[key]


async def test_a_snapshot_then_deltas_whose_ids_grow_by_one() -> None:
    async with queen() as running, mirror(running) as there:
        send(running, 1.0, "w1")
        first = await told(there)
        assert (first["type"], set(first)) == ("snapshot", {"id", "type", "at", "tables"})
        send(running, 2.0, "w2")
        deltas = await until_gone(there, "w1")
        assert {one["type"] for one in deltas} == {"delta"}
        boot, _, number = first["id"].rpartition("-")
        expected = [f"{boot}-{int(number) + more}" for more in range(1, len(deltas) + 1)]
        assert [one["id"] for one in deltas] == expected
        tables: Message = {}
        for message in (first, *deltas):
            fold(tables, message)
        assert set(tables["workers"]) == {"w2"}


async def test_whoever_comes_back_with_his_last_id_misses_nothing_and_hears_nothing_twice() -> None:
    async with queen() as running:
        async with mirror(running) as there:
            send(running, 1.0, "w1", "w2")
            last, tables = await told(there), Message()
            fold(tables, last)
            while "w2" not in tables["workers"]:
                last = await told(there)
                fold(tables, last)
        send(running, 2.0, "w2", "w3")
        async with mirror(running, f"stream=state&last_event_id={last['id']}") as there:
            missed = await until_gone(there, "w1")
            assert {one["type"] for one in missed} == {"delta"}
            numbers = [int(one["id"].rpartition("-")[2]) for one in (last, *missed)]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            for message in missed:
                fold(tables, message)
            assert set(tables["workers"]) == {"w2", "w3"}
        async with mirror(running, "stream=state&last_event_id=another-life-7") as there:
            assert (await told(there))["type"] == "snapshot"


async def test_a_slow_reader_holds_one_message_and_is_given_a_fresh_snapshot() -> None:
    async with queen() as running:
        channel = running.queen.state.channels["operators"]
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
        slow.connect(("127.0.0.1", running.daemon.port))
        async with mirror(running, sock=slow) as there:
            first = await told(there)
            for number in range(ROUNDS):
                row = b'{"n":%d,"filler":"%b"}' % (number, b"x" * ROW_BYTES)
                channel.feed.fold({"hives": {"big": row}}, float(number))
                channel.tell()
                await asyncio.sleep(0)
            newest = channel.feed.seq
            seen = [first]
            while seen[-1]["type"] == "delta" or len(seen) == 1:
                seen.append(await told(there))
            # What was under way still came, in order and without a gap; then the present.
            numbers = [int(one["id"].rpartition("-")[2]) for one in seen]
            assert numbers[:-1] == list(range(numbers[0], numbers[0] + len(numbers) - 1))
            assert numbers[-1] >= newest
            assert len(seen) < ROUNDS / 2, "nothing was queued for one who does not read"
            assert seen[-1]["tables"]["hives"]["big"]["n"] == ROUNDS - 1


async def test_the_first_words_without_a_stream_are_the_counts() -> None:
    async with queen() as running, mirror(running, "") as there:
        assert (await told(there))["type"] == "queen"
        running.queen.telemetry.beat(beat([ready_worker("w1", 9001)], at=1.0))
        message = await told(there)
        assert (message["type"], message["hive_id"]) == ("hive_telemetry", "hive")
        assert "secret" not in json.dumps(message)


async def refused(
    running: RunningQueen,
    query: str = "stream=state",
    *,
    headers: Mapping[str, str] = {},
    origin: str | None = None,
) -> Message:
    """The status and the problem, told before the handshake is done."""
    with pytest.raises(InvalidStatus) as caught:
        async with mirror(running, query, headers=headers, origin=origin):
            pass
    response = caught.value.response
    problem: Message = json.loads(response.body)
    assert problem["details"] or problem["error"]
    return {"status": response.status_code, **problem}


async def test_only_who_may_read_watches() -> None:
    async with queen(KEY) as running:

        async def key_of(name: str, scope: str) -> dict[str, str]:
            wish = {"name": name, "scopes": [scope]}
            made = await running.http.post("/v1/keys", json=wish, headers=COLONY)
            return {"authorization": f"Bearer {made.json()['key']}"}

        assert (await refused(running))["status"] == 401
        wrong = {"authorization": "Bearer no-such-key"}
        assert (await refused(running, headers=wrong))["status"] == 401
        asker = await key_of("asker", "inference")
        problem = await refused(running, headers=asker)
        assert problem["status"] == 403
        assert "'asker' has the scope inference" in json.dumps(problem)
        assert "wants operator or read" in json.dumps(problem)
        reader = await key_of("reader", "read")
        async with (
            mirror(running, headers=reader) as theirs,
            mirror(running, headers=COLONY) as ours,
        ):
            theirs_first, ours_first = await told(theirs), await told(ours)
            assert {"joins", "jobs"} <= set(ours_first["tables"])
            assert not {"joins", "jobs"} & set(theirs_first["tables"])


async def test_a_page_of_another_site_is_refused_whatever_cookie_it_brings() -> None:
    async with queen(KEY) as running:
        signed = await running.http.post(
            "/v1/session", json={"key": KEY}, headers={"host": f"localhost:{running.daemon.port}"}
        )
        cookie = {"cookie": signed.headers["set-cookie"].partition(";")[0]}
        own = f"http://localhost:{running.daemon.port}"
        async with mirror(running, origin=own, headers=cookie) as there:
            assert (await told(there))["type"] == "snapshot"
        for origin in (
            "https://evil.example",
            f"http://localhost:{running.daemon.port + 1}",
            "null",
        ):
            problem = await refused(running, origin=origin, headers=cookie)
            assert (problem["status"], problem["param"]) == (403, "Origin")
        strange = {**COLONY, "host": "evil.example"}
        problem = await refused(running, headers=strange)
        assert (problem["status"], problem["param"]) == (403, "Host")


async def test_what_is_asked_wrongly_is_told_in_words() -> None:
    async with queen() as running:
        problem = await refused(running, "stream=weather")
        assert (problem["status"], problem["param"]) == (400, "stream")
        channel = running.queen.state.channels["readers"]
        later = anyio.current_time() + 60
        channel.watchers = {Watcher("p", gzip=False, until=later) for _ in range(STREAMS_MAX)}
        assert (await refused(running))["status"] == 503
        plain = await running.http.get("/v1/ws")
        assert plain.status_code == 400
        assert "did not ask for one" in plain.text


@pytest.mark.parametrize(
    ("said", "code"),
    [("hello", 1003), (b"hello", 1003), ("x" * 2000, 1009)],
    ids=["text", "bytes", "long"],
)
async def test_it_only_speaks(said: str | bytes, code: int) -> None:
    async with queen() as running, mirror(running) as there:
        await there.send(said)
        await there.wait_closed()
        assert there.close_code == code
        await until(lambda: running.queen.state.watching == 0)


async def test_a_client_may_ping_and_leave_and_nothing_of_it_stays() -> None:
    async with queen() as running:
        async with mirror(running) as there:
            await told(there)
            await (await there.ping())
            assert running.queen.state.watching == 1
        assert there.close_code == 1000
        await until(lambda: running.queen.state.watching == 0)
