"""Calls and their answers: queueing, another worker before the first byte, whole or streamed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from rbee.contracts.workers import WorkerStats
from rbee.errors import (
    ContextExceeded,
    InvalidRequest,
    ModelNotFound,
    NoCapacity,
    QueueFull,
    ShuttingDown,
    WorkerFailed,
    WorkerNotFound,
)
from rbee.queen.inference.admission import Admission, Limits, Waiting
from rbee.queen.inference.call import Call
from rbee.queen.inference.dispatch import Dispatcher
from rbee.queen.inference.pool import Pool
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.demand import Demand
from rbee.testing.raw_worker import Conversation, Play, beat, raw_worker, ready_worker
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio


class Stand:
    """A data plane over raw workers."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.colony = Colony()
        self.demand = Demand()
        self.admission = Admission(self.colony, self.demand, limits or Limits())
        self.dispatcher = Dispatcher(self.colony, self.admission, Pool())
        self._beats = 1.0

    def beat(self, *workers: WorkerStats) -> None:
        self._beats += 1
        self.colony.beat(beat(workers, at=self._beats, names=["alias"]), self._beats)


@asynccontextmanager
async def stand(
    *plays: Play, slots: int = 2, limits: Limits | None = None
) -> AsyncGenerator[tuple[Stand, list[WorkerStats]]]:
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(raw_worker(play)) for play in plays]
        workers = [ready_worker(f"w{i}", port, slots=slots) for i, port in enumerate(ports)]
        made = Stand(limits)
        made.beat(*workers)
        yield made, workers


def call(*, stream: bool = False, model: str = "m", worker_id: str | None = None) -> Call:
    return Call(
        job_id="job-1",
        model=model,
        path="/v1/completions",
        body=b'{"model":"m","prompt":"p"}',
        stream=stream,
        worker_id=worker_id,
    )


def text(said: str, finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "text": said, "finish_reason": finish}
    return {"object": "text_completion", "choices": [choice]}


async def speak(wire: Conversation) -> None:
    await wire.stream(text("a"), text("b"), text("", "stop"))


async def die(wire: Conversation) -> None:
    wire.writer.transport.abort()


async def test_a_client_that_does_not_stream_gets_one_answer_from_a_stream() -> None:
    bodies: list[bytes] = []

    async def play(wire: Conversation) -> None:
        bodies.append(wire.body)
        await speak(wire)

    async with stand(play) as (made, _), made.dispatcher.answer(call()) as answer:
        body = msgspec.json.decode(await answer.read())
        assert answer.content_type == b"application/json"
    assert body["choices"] == [{"index": 0, "finish_reason": "stop", "text": "ab"}]
    assert msgspec.json.decode(bodies[0])["stream"] is True


async def test_an_engine_that_notices_a_leaving_caller_gets_the_clients_own_bytes() -> None:
    bodies: list[bytes] = []

    async def play(wire: Conversation) -> None:
        bodies.append(wire.body)
        await wire.answer(200, {"whole": True})

    async with stand(play) as (made, workers):
        made.beat(msgspec.structs.replace(workers[0], unary_cancel=True))
        async with made.dispatcher.answer(call()) as answer:
            assert msgspec.json.decode(await answer.read()) == {"whole": True}
    assert bodies == [call().body]


async def test_a_stream_comes_as_the_worker_wrote_it() -> None:
    async with stand(speak) as (made, _), made.dispatcher.answer(call(stream=True)) as answer:
        events = b"".join([event async for event in answer.events()])
    assert events.count(b"\n\n") == 4
    assert events.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_worker_that_dies_before_the_first_byte_is_replaced_unseen(stream: bool) -> None:
    async with stand(die, speak) as (made, workers):
        for _ in range(4):  # whoever's turn it is
            async with made.dispatcher.answer(call(stream=stream)) as answer:
                assert answer.worker.worker_id == "w1"
                body = b"".join([event async for event in answer.events()])
                assert body.endswith(b"[DONE]\n\n")
        assert [worker.worker_id for worker in made.colony.serving("m")] == ["w1"]
        made.beat(msgspec.structs.replace(workers[0], generation=2, pid=77), workers[1])
        assert len(made.colony.serving("m")) == 2


async def test_a_call_gives_up_after_three_dead_workers() -> None:
    async with stand(die, die, die, speak) as (made, workers):
        made.beat(*workers[:3])
        with pytest.raises(WorkerFailed):
            async with made.dispatcher.answer(call()):
                pass
        assert made.admission.idle.is_set()


async def test_a_death_in_mid_answer_with_nobody_to_go_on_is_told_after_the_longest_wait() -> None:
    async def play(wire: Conversation) -> None:
        await wire.stream(text("a"), end=False)

    async with stand(play, limits=Limits(wait_max_s=0.05)) as (made, _):
        async with made.dispatcher.answer(call()) as answer:
            with pytest.raises(QueueFull, match="became free"):
                await answer.read()
        assert made.colony.serving("m") == []
        assert made.admission.idle.is_set()


@pytest.mark.parametrize("stream", [True, False])
async def test_another_worker_goes_on_where_one_died_in_mid_answer(stream: bool) -> None:
    asked: list[bytes] = []

    async def play(wire: Conversation) -> None:
        if b"tokenize" in wire.head:
            await wire.answer(200, {"tokens": [1]})
            return
        asked.append(wire.body)
        if len(asked) == 1:
            await wire.stream(text("a"), end=False)
            await wire.say(b"ff\r\ndata: {half")
        else:
            await wire.stream(text("b"), text("", "stop"))

    async with (
        stand(play, play) as (made, _),
        made.dispatcher.answer(call(stream=stream)) as answer,
    ):
        if stream:
            said = b"".join([events async for events in answer.events()])
            assert said.count(b'"text":"a"') == said.count(b'"text":"b"') == 1
            assert said.count(b"[DONE]") == 1
        else:
            body = msgspec.json.decode(await answer.read())
            assert body["choices"][0]["text"] == "ab"
        assert answer.continued == 1
    assert msgspec.json.decode(asked[1])["prompt"] == "pa"
    assert made.admission.idle.is_set()


async def test_a_loading_worker_is_asked_again() -> None:
    asked = 0

    async def play(wire: Conversation) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await wire.answer(503, {"error": {"message": "Loading model"}})
        else:
            await speak(wire)

    async with stand(play) as (made, _), made.dispatcher.answer(call()) as answer:
        assert answer.ok
    assert asked == 2


async def test_the_context_is_named_with_its_numbers() -> None:
    async def play(wire: Conversation) -> None:
        error = {
            "code": 400,
            "type": "exceed_context_size_error",
            "message": "too long",
            "n_prompt_tokens": 9000,
            "n_ctx": 8192,
        }
        await wire.answer(400, {"error": error})

    async with stand(play) as (made, _), made.dispatcher.answer(call()) as answer:
        assert not answer.ok
        problem = await answer.problem()
    assert isinstance(problem, ContextExceeded)
    assert "9000" in problem.message
    assert "8192" in problem.message


async def test_leaving_the_answer_early_closes_the_workers_connection_and_frees_the_slot() -> None:
    left = asyncio.Event()

    async def play(wire: Conversation) -> None:
        await wire.stream(text("a"), end=False)
        await wire.left()
        left.set()

    async with stand(play, slots=1) as (made, _):
        async with made.dispatcher.answer(call(stream=True)) as answer:
            async for _ in answer.events():
                break
        await asyncio.wait_for(left.wait(), 5)
        assert made.admission.idle.is_set()


async def test_requests_wait_in_order_and_hear_of_it() -> None:
    gate = asyncio.Event()
    order: list[int] = []

    async def play(wire: Conversation) -> None:
        await gate.wait()
        await speak(wire)

    async with stand(play, slots=1) as (made, _):
        told: list[Waiting] = []

        async def one(index: int) -> None:
            async def on_wait(waiting: Waiting) -> None:
                told.append(waiting)

            async with made.dispatcher.answer(call(), on_wait) as answer:
                order.append(index)
                await answer.read()

        async with asyncio.TaskGroup() as tasks:
            for index in range(5):
                tasks.create_task(one(index))
            await until(lambda: made.demand.waiting("m") == 4)
            gate.set()
    assert order == [0, 1, 2, 3, 4]
    assert {waiting.position for waiting in told} >= {1, 2, 3, 4}
    assert all("slots" in waiting.reason for waiting in told)


async def test_a_worker_that_comes_serves_those_who_wait_under_an_alias_too() -> None:
    async with raw_worker(speak) as port:
        made = Stand()
        async with asyncio.TaskGroup() as tasks:

            async def one() -> None:
                wish = call(model="llama-3-8b")
                async with made.dispatcher.answer(wish) as answer:
                    await answer.read()

            tasks.create_task(one())
            await until(lambda: made.demand.total)
            assert made.demand.models() == ["llama-3-8b"]
            worker = ready_worker("w", port, model="org/repo:file.gguf")
            made.colony.beat(beat([worker], names=["llama-3-8b"]), 2.0)
        assert made.demand.total == 0


async def test_the_reconciler_can_refuse_all_who_wait() -> None:
    made = Stand()

    async def one() -> None:
        async with made.dispatcher.answer(call(model="org/repo")):
            pass

    tasks = [asyncio.create_task(one()) for _ in range(3)]
    await until(lambda: made.demand.total == 3)
    made.demand.refuse("org/repo", NoCapacity("nothing fits"))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, NoCapacity) for result in results)
    assert made.demand.total == 0


async def test_a_client_that_leaves_the_queue_leaves_no_trace() -> None:
    made = Stand()

    async def one() -> None:
        async with made.dispatcher.answer(call(model="org/repo")):
            pass

    task = asyncio.create_task(one())
    await until(lambda: made.demand.total)
    task.cancel()
    await asyncio.wait({task})
    assert made.demand.total == 0


async def test_the_bounds_of_the_queue_are_told() -> None:
    made = Stand(Limits(waiting_max=1, waiting_per_model_max=1, wait_max_s=0.05))

    async def one() -> None:
        async with made.dispatcher.answer(call(model="org/repo")):
            pass

    first = asyncio.create_task(one())
    await until(lambda: made.demand.total)
    with pytest.raises(QueueFull, match="wait already"):
        await one()
    with pytest.raises(QueueFull, match="became free"):
        await first


async def test_what_cannot_be_had_is_refused_at_once() -> None:
    async with stand(speak) as (made, _):
        with pytest.raises(ModelNotFound, match="'nope'"):
            async with made.dispatcher.answer(call(model="nope")):
                pass
        with pytest.raises(WorkerNotFound, match="'w9'"):
            async with made.dispatcher.answer(call(worker_id="w9")):
                pass


async def test_a_queen_that_has_just_started_waits_for_her_hives_before_she_says_no() -> None:
    quiet = True
    colony, demand = Colony(), Demand()
    admission = Admission(colony, demand, Limits(), quiet=lambda: quiet)
    dispatcher = Dispatcher(colony, admission, Pool())

    async def one() -> bytes:
        async with dispatcher.answer(call(model="local-file")) as answer:
            return await answer.read()

    async with raw_worker(speak) as port:
        asked = asyncio.create_task(one())
        await until(lambda: demand.total)
        colony.beat(beat([ready_worker("w", port, model="local-file")]), 2.0)
        assert await asked
    quiet = False
    with pytest.raises(ModelNotFound):
        async with dispatcher.answer(call(model="other-file")):
            pass


async def test_a_model_of_the_other_kind_is_refused_with_the_way_out() -> None:
    async with stand(speak) as (made, workers):
        vectors = msgspec.structs.replace(call(), path="/v1/embeddings", task="embeddings")
        with pytest.raises(InvalidRequest, match="generates text") as text_model:
            async with made.dispatcher.answer(vectors):
                pass
        assert "--task embeddings" in text_model.value.remedy
        made.beat(msgspec.structs.replace(workers[0], task="embeddings"))
        async with made.dispatcher.answer(vectors) as answer:
            assert answer.ok
        assert made.demand.total == 0


async def test_a_draining_queen_ends_what_runs_and_admits_nobody() -> None:
    gate = asyncio.Event()

    async def play(wire: Conversation) -> None:
        await gate.wait()
        await speak(wire)

    async with stand(play, slots=1) as (made, _):

        async def one() -> bytes:
            async with made.dispatcher.answer(call()) as answer:
                return await answer.read()

        running = asyncio.create_task(one())
        waiting = asyncio.create_task(one())
        await until(lambda: made.demand.total)
        draining = asyncio.create_task(made.dispatcher.drain(5))
        with pytest.raises(ShuttingDown):
            await waiting
        with pytest.raises(ShuttingDown):
            await one()
        gate.set()
        await draining
        assert running.done() or await running
