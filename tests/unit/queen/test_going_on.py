"""The data plane when the worker that takes over has troubles of its own."""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from rbee.errors import InvalidRequest, WorkerFailed
from rbee.queen.inference.admission import Admission, Limits
from rbee.queen.inference.call import Call
from rbee.queen.inference.dispatch import Dispatcher
from rbee.queen.inference.pool import Pool
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.demand import Demand
from rbee.testing.raw_worker import Conversation, Play, beat, raw_worker, ready_worker

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def plane(*plays: Play) -> AsyncGenerator[Dispatcher]:
    """A data plane over raw workers, one slot each."""
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(raw_worker(play)) for play in plays]
        colony = Colony()
        workers = [ready_worker(f"w{i}", port, slots=1) for i, port in enumerate(ports)]
        colony.beat(beat(workers), 1.0)
        limits = Limits(wait_max_s=2.0)  # nobody comes: a fault shows soon
        yield Dispatcher(colony, Admission(colony, Demand(), limits), Pool())


def call(*, stream: bool = True, **more: object) -> Call:
    asked = {"model": "m", "prompt": "p", "stream_options": {"include_usage": True}, **more}
    return Call(
        job_id="job-1",
        model="m",
        path="/v1/completions",
        body=msgspec.json.encode(asked),
        stream=stream,
    )


def text(said: str, finish: str | None = None, **more: object) -> dict[str, object]:
    choice = {"index": 0, "text": said, "finish_reason": finish}
    return {"id": "a", "object": "text_completion", "choices": [choice], **more}


class Turns:
    """One worker after the other breaks off; those that come later play ``rest``.

    Who is asked first is routing's affair, so all share the turns.
    """

    def __init__(self, *rest: Play) -> None:
        self.rest = list(rest)
        self.begun = False

    async def __call__(self, wire: Conversation) -> None:
        if not self.begun:
            self.begun = True
            await wire.stream(text("one"), end=False)
            return
        await self.rest.pop(0)(wire)


async def count(wire: Conversation) -> None:
    """A tokenizer for which every text is three tokens."""
    assert wire.path == "/tokenize"
    await wire.answer(200, {"tokens": [1, 2, 3]})


async def die(wire: Conversation) -> None:
    del wire


async def events_of(dispatcher: Dispatcher, asked: Call) -> bytes:
    async with dispatcher.answer(asked) as answer:
        return b"".join([event async for event in answer.events()])


async def test_a_worker_that_is_dead_too_is_left_out_and_the_next_one_asked_the_same() -> None:
    async def finish(wire: Conversation) -> None:
        usage = {"prompt_tokens": 9, "completion_tokens": 2}
        await wire.stream(text(" two"), text("", "stop", usage=usage))

    turns = Turns(die, count, count, finish)
    async with plane(turns, turns, turns) as dispatcher:
        events = await events_of(dispatcher, call())
    assert turns.rest == []
    assert b'"usage":{"completion_tokens":5,"prompt_tokens":3,"total_tokens":8}' in events
    assert events.count(b"[DONE]") == 1


async def test_an_answer_that_fills_the_context_ends_by_length() -> None:
    async def full(wire: Conversation) -> None:
        error = {"type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 9}
        await wire.answer(400, {"error": error})

    turns = Turns(count, count, full)
    async with plane(turns, turns) as dispatcher:
        events = await events_of(dispatcher, call())
    assert b'"finish_reason":"length"' in events
    assert events.endswith(b"data: [DONE]\n\n")


async def test_a_refusal_of_the_next_worker_is_an_error_and_no_part_of_the_answer() -> None:
    async def refuse(wire: Conversation) -> None:
        await wire.answer(400, {"error": {"message": "no prefixes here"}})

    turns = Turns(count, count, refuse)
    async with plane(turns, turns) as dispatcher:
        with pytest.raises(InvalidRequest, match="no prefixes here"):
            await events_of(dispatcher, call())


async def test_a_stream_that_cannot_go_on_ends_with_the_reason() -> None:
    turns = Turns()
    async with plane(turns, turns) as dispatcher:
        with pytest.raises(WorkerFailed, match="log probabilities were asked"):
            await events_of(dispatcher, call(logprobs=1))


async def test_a_unary_answer_that_cannot_go_on_begins_anew() -> None:
    async def whole(wire: Conversation) -> None:
        assert msgspec.json.decode(wire.body)["logprobs"] == 1
        await wire.stream(text("all of it"), text("", "stop"))

    turns = Turns(whole)
    async with (
        plane(turns, turns) as dispatcher,
        dispatcher.answer(call(stream=False, logprobs=1)) as answer,
    ):
        body = msgspec.json.decode(await answer.read())
    assert body["choices"][0]["text"] == "all of it"


async def test_refusals_of_different_lengths_do_not_read_each_others_heads() -> None:
    said: list[str] = []
    for length in (90, 9, 40):

        async def refuse(wire: Conversation, message: str = "x" * length) -> None:
            await wire.answer(400, {"error": {"message": message}})

        async with plane(refuse) as dispatcher, dispatcher.answer(call()) as answer:
            said.append((await answer.problem()).message)
    assert [text.count("x") for text in said] == [90, 9, 40]


async def test_a_thought_that_cannot_be_restated_ends_with_the_reason_and_frees_the_slot() -> None:
    async def think(wire: Conversation) -> None:
        if wire.path != "/v1/chat/completions":
            await wire.answer(404, {"error": {"message": "no such route"}})
            return
        delta = {"role": "assistant", "reasoning_content": "so"}
        await wire.stream({"id": "a", "choices": [{"index": 0, "delta": delta}]}, end=False)

    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "x"}]})
    asked = msgspec.structs.replace(call(), path="/v1/chat/completions", body=body)
    async with plane(think, think) as dispatcher:
        with pytest.raises(WorkerFailed, match="while it thought"):
            await events_of(dispatcher, asked)
        assert dispatcher.plane.admission.idle.is_set()


async def test_a_unary_chat_begins_anew_on_an_engine_that_cannot_be_asked() -> None:
    async def nothing(wire: Conversation) -> None:
        await wire.answer(404, {"error": {"message": "no such route"}})

    async def chat(wire: Conversation) -> None:
        delta = {"role": "assistant", "content": "anew"}
        choice = {"index": 0, "delta": delta, "finish_reason": "stop"}
        await wire.stream({"id": "b", "object": "chat.completion.chunk", "choices": [choice]})

    async def begin(wire: Conversation) -> None:
        delta = {"role": "assistant", "content": "lost"}
        await wire.stream({"id": "a", "choices": [{"index": 0, "delta": delta}]}, end=False)

    turns = Turns(begin, nothing, chat)
    turns.begun = True
    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "x"}]})
    asked = msgspec.structs.replace(call(stream=False), path="/v1/chat/completions", body=body)
    async with plane(turns, turns) as dispatcher, dispatcher.answer(asked) as answer:
        whole = msgspec.json.decode(await answer.read())
    assert whole["choices"][0]["message"]["content"] == "anew"


async def test_a_stream_tells_who_goes_on_and_why_in_a_comment() -> None:
    async def finish(wire: Conversation) -> None:
        await wire.stream(text(" two"), text("", "stop"))

    turns = Turns(count, count, finish)
    async with plane(turns, turns) as dispatcher:
        events = await events_of(dispatcher, call())
    (comment,) = [line for line in events.splitlines() if line.startswith(b": continued")]
    assert re.fullmatch(rb": continued worker=\S+ hive=\S+ reason=The worker .+", comment)
    assert events.index(comment) < events.index(b" two")
