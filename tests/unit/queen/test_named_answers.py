"""Messages and Responses for clients that do not stream, by workers that would not notice."""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from rbee.errors import WorkerFailed
from rbee.queen.inference.admission import Admission, Limits
from rbee.queen.inference.call import Call
from rbee.queen.inference.dispatch import Dispatcher
from rbee.queen.inference.pool import Pool
from rbee.queen.inference.usage import Usage
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.demand import Demand
from rbee.testing.raw_worker import (
    CHUNKED_HEAD,
    Conversation,
    Play,
    beat,
    chunk,
    raw_worker,
    ready_worker,
)

pytestmark = pytest.mark.anyio

START = {
    "type": "message_start",
    "message": {"id": "m1", "role": "assistant", "usage": {"input_tokens": 7, "output_tokens": 0}},
}
BLOCK = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "text", "text": ""},
}
HELLO = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "text_delta", "text": "Hello"},
}
USAGE = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn"},
    "usage": {"output_tokens": 2},
}
STOP = {"type": "message_stop"}


@asynccontextmanager
async def plane(*plays: Play) -> AsyncGenerator[Dispatcher]:
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(raw_worker(play)) for play in plays]
        colony = Colony()
        workers = [ready_worker(f"w{i}", port, slots=1) for i, port in enumerate(ports)]
        colony.beat(beat(workers), 1.0)
        yield Dispatcher(colony, Admission(colony, Demand(), Limits(wait_max_s=2.0)), Pool())


def call(path: str) -> Call:
    body = msgspec.json.encode({"model": "m", "max_tokens": 5})
    return Call(job_id="job-1", model="m", path=path, body=body, stream=False)


async def tell(wire: Conversation, *events: dict[str, object], end: bool = True) -> None:
    """Named events, each in a chunk of its own, and no ``[DONE]``."""
    await wire.say(CHUNKED_HEAD)
    for event in events:
        named = b"event: %s\ndata: %s\n\n" % (
            str(event["type"]).encode(),
            json.dumps(event).encode(),
        )
        await wire.say(chunk(named))
    if end:
        await wire.say(chunk(b""))


async def test_a_message_is_put_together_from_its_stream() -> None:
    asked: list[dict[str, object]] = []

    async def play(wire: Conversation) -> None:
        asked.append(json.loads(wire.body))
        await tell(wire, START, BLOCK, HELLO, USAGE, STOP)

    async with plane(play) as at, at.answer(call("/v1/messages")) as answer:
        body = json.loads(await answer.read())
        usage = answer.usage
    assert asked == [{"model": "m", "max_tokens": 5, "stream": True}]
    assert body["content"] == [{"type": "text", "text": "Hello"}]
    assert body["stop_reason"] == "end_turn"
    assert body["usage"] == {"input_tokens": 7, "output_tokens": 2}
    assert usage is not None
    assert usage.completion == 2


async def test_a_response_is_the_one_in_the_last_event() -> None:
    async def play(wire: Conversation) -> None:
        whole = {"id": "r", "usage": {"input_tokens": 3, "output_tokens": 4}}
        await tell(
            wire,
            {"type": "response.created", "response": {"id": "r"}},
            {"type": "response.completed", "response": whole},
        )

    async with plane(play) as at, at.answer(call("/v1/responses")) as answer:
        body = json.loads(await answer.read())
        assert answer.usage == Usage(3, 4)
    assert body["id"] == "r"


async def test_a_worker_that_dies_in_mid_message_is_replaced_unseen() -> None:
    begun: list[str] = []

    async def play(wire: Conversation) -> None:
        begun.append(wire.path)
        if len(begun) == 1:
            await tell(wire, START, BLOCK, HELLO, end=False)
        else:
            await tell(wire, START, BLOCK, HELLO, USAGE, STOP)

    async with plane(play, play) as at, at.answer(call("/v1/messages")) as answer:
        body = json.loads(await answer.read())
    assert len(begun) == 2
    assert body["content"] == [{"type": "text", "text": "Hello"}], "begun anew, not doubled"


async def test_a_message_that_stops_short_is_no_answer() -> None:
    async def play(wire: Conversation) -> None:
        await tell(wire, START, BLOCK, HELLO)

    async with plane(play) as at, at.answer(call("/v1/messages")) as answer:
        with pytest.raises(WorkerFailed, match="ended before"):
            await answer.read()
