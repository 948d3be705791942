"""A page's stream over the life of a real queen: cut, killed, back; nothing missing, nothing twice."""

import json
import zlib
from typing import Any

import anyio
import httpx2
import pytest

from rbee.client.state import StateFeed
from rbee.client.transport import Transport
from rbee.errors import QueenUnreachable
from rbee.foundation.sse import EventReader
from rbee.testing.big_colony.playing import play
from rbee.testing.big_colony.scenarios import any_size
from rbee.testing.colony import Colony
from rbee.testing.waiting import until

pytestmark = [pytest.mark.system, pytest.mark.anyio]

WITHIN_S = 20.0  # a queen starts in half a second, and her hives are back within two
COMPARED = ("hives", "workers", "models")


async def messages_of(url: str, count: int, last_id: str | None = None) -> list[tuple[str, Any]]:
    """The first messages of a stream, with their ids."""
    found: list[tuple[str, Any]] = []
    headers = {"last-event-id": last_id} if last_id else {}
    reader = EventReader()
    with anyio.fail_after(WITHIN_S):
        async with (
            httpx2.AsyncClient(trust_env=False) as http,
            http.stream("GET", f"{url}/v1/state/stream", headers=headers) as answer,
        ):
            assert answer.headers["content-encoding"] == "gzip"
            async for chunk in answer.aiter_bytes():
                found += [(event.id or "", json.loads(event.data)) for event in reader.feed(chunk)]
                if len(found) >= count:
                    break
    return found


def number(event_id: str) -> int:
    return int(event_id.rpartition("-")[2])


async def test_a_cut_stream_goes_on_where_it_was(colony: Colony) -> None:
    queen = colony.queen()
    async with anyio.create_task_group() as playing:
        playing.start_soon(lambda: play(any_size(2, 1, 2), queen.url, key=None, clients=0))
        before = await messages_of(queen.url, 3)
        assert [message["type"] for _, message in before] == ["snapshot", "delta", "delta"]
        after = await messages_of(queen.url, 2, last_id=before[-1][0])
        assert [message["type"] for _, message in after] == ["delta", "delta"]
        ids = [number(event_id) for event_id, _ in [*before, *after]]
        assert ids == list(range(ids[0], ids[0] + 5))
        playing.cancel_scope.cancel()


async def test_a_killed_queen_is_found_again_with_all_rows_and_no_other(colony: Colony) -> None:
    queen = colony.queen()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: play(any_size(4, 2, 3), queen.url, key=None, clients=1))
        feed = StateFeed(Transport(queen.url, key=None, unreachable=QueenUnreachable))
        tasks.start_soon(lambda: feed.run(lambda _names: None))
        tables = feed.tables

        def is_whole() -> bool:
            rows = tables["workers"].values()
            return len(tables["hives"]) == 4 and sum(row["serving"] for row in rows) == 12

        await until(is_whole, within_s=WITHIN_S)
        boot = tables["colony"]["queen"]["boot"]
        queen.kill()
        await until(lambda: feed.connection == "lost", within_s=WITHIN_S)
        assert is_whole(), "what was known is still shown"
        await anyio.to_thread.run_sync(queen.start)
        await until(
            lambda: tables["colony"]["queen"]["boot"] != boot and is_whole(), within_s=WITHIN_S
        )
        fresh = (await messages_of(queen.url, 1))[0][1]["tables"]
        for name in COMPARED:
            assert set(tables[name]) == set(fresh[name]), name
        tasks.cancel_scope.cancel()


async def test_what_is_compressed_can_be_read_message_by_message(colony: Colony) -> None:
    queen = colony.queen()
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    seen = b""
    with anyio.fail_after(WITHIN_S):
        async with (
            httpx2.AsyncClient(trust_env=False) as http,
            http.stream(
                "GET", f"{queen.url}/v1/state/stream", headers={"accept-encoding": "gzip"}
            ) as answer,
        ):
            async for chunk in answer.aiter_raw():
                seen += reader.decompress(chunk)
                if seen.count(b"\n\n") >= 3:
                    break
    assert seen.startswith(b": ")
    assert seen.endswith(b"\n\n"), "a message was held back"
