"""The state stream as a client keeps it: snapshots, deltas, breaks, refusals."""

from collections.abc import Callable

import anyio
import httpx2
import msgspec
import pytest

from rbee.client.state import StateFeed, StateTables
from rbee.client.transport import Transport
from rbee.errors import InvalidApiKey, QueenUnreachable, RemoteError
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

SNAPSHOT = {"type": "snapshot", "at": 100.0, "tables": {"hives": {"a": {"n": 1}, "b": {"n": 2}}}}
DELTA = {
    "type": "delta",
    "at": 101.0,
    "tables": {"hives": {"set": {"a": {"n": 5}}, "del": ["b"]}, "nodes": {"set": {"a": {}}}},
}


def text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def frames(*messages: tuple[str, object]) -> bytes:
    return "".join(f"id: {name}\ndata: {text(value)}\n\n" for name, value in messages).encode()


def test_a_snapshot_replaces_and_a_delta_changes() -> None:
    tables = StateTables()
    assert tables["hives"] == {}
    assert tables.take(text(SNAPSHOT)) == {"hives"}
    assert tables.take(text(DELTA)) == {"hives", "nodes"}
    assert (tables["hives"], tables["nodes"], tables.at) == ({"a": {"n": 5}}, {"a": {}}, 101.0)
    assert tables.take(text({"type": "snapshot", "at": 1, "tables": {}})) == {"hives", "nodes"}
    assert tables["hives"] == {}


def test_what_is_no_message_is_told() -> None:
    with pytest.raises(RemoteError, match="unexpected shape"):
        StateTables().take('{"type": "snapshot"}')


class Queen:
    """Answers from a list, one for each connection; the last one for all that follow."""

    def __init__(self, *answers: Callable[[], httpx2.Response]) -> None:
        self.asked: list[str | None] = []
        self._answers = list(answers)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.headers.get("last-event-id"))
        return self._answers[min(len(self.asked), len(self._answers)) - 1]()

    def feed(self) -> StateFeed:
        wire = httpx2.MockTransport(self)
        return StateFeed(Transport("http://queen", unreachable=QueenUnreachable, http=wire))


def broken() -> httpx2.Response:
    raise httpx2.ConnectError("refused")


async def test_after_a_break_it_goes_on_after_the_last_id() -> None:
    queen = Queen(
        lambda: httpx2.Response(200, content=frames(("b-1", SNAPSHOT))),
        broken,
        lambda: httpx2.Response(200, content=frames(("b-2", DELTA))),
    )
    feed, told = queen.feed(), list[frozenset[str]]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed.run, told.append)
        await until(lambda: feed.connection == "lost")
        assert feed.problem is not None
        assert feed.tables["hives"]["b"] == {"n": 2}, "old rows stay to be seen"
        await until(lambda: "b" not in feed.tables["hives"])
        tasks.cancel_scope.cancel()
    assert queen.asked[:3] == [None, "b-1", "b-1"]
    assert feed.connection == "live"
    assert feed.age_s is not None
    assert frozenset({"hives"}) in told


async def test_who_is_refused_is_told_and_asks_no_more() -> None:
    problem = {"error": {"message": "No key.", "code": "invalid_api_key"}}
    queen = Queen(lambda: httpx2.Response(401, json=problem))
    with pytest.raises(InvalidApiKey):
        await queen.feed().run(lambda _changed: None)
    assert len(queen.asked) == 1
