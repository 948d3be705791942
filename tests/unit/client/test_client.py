"""The client: errors come back as their classes, streams resume, leaving cancels."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import anyio
import msgspec
import pytest

from rbee.client.hive import HiveClient
from rbee.client.queen import QueenClient
from rbee.client.transport import error_from, error_from_event
from rbee.contracts.jobs import DONE, JobEvent, ModelList, Operation
from rbee.errors import (
    CapacityError,
    ContractError,
    DeadlineExceeded,
    HiveUnreachable,
    InvalidRequest,
    JobNotFound,
    NoCapacity,
    OutOfMemory,
    QueenUnreachable,
    QueueFull,
    RbeeError,
    RemoteError,
    StorageError,
    WorkerFailed,
)
from rbee.foundation import sse
from rbee.foundation.http.problems import as_openai, as_problem
from rbee.foundation.jobserver import Job
from rbee.testing.raw_worker import Conversation, chunk, raw_worker
from rbee.testing.stub_hive import stub_hive
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def every_error_class(kind: type[RbeeError] = RbeeError) -> list[type[RbeeError]]:
    """All that travel: a room's own refinements arrive as what they refine."""
    children = [one for one in kind.__subclasses__() if one.__module__ == RbeeError.__module__]
    return [kind, *(found for child in children for found in every_error_class(child))]


def event(seq: int, action: str = "token", **fields: object) -> bytes:
    one = JobEvent(
        action=action, message=str(seq), type="token", job_id="j", seq=seq, ts=0.0, actor="hive"
    )
    return sse.frame(msgspec.json.encode(msgspec.structs.replace(one, **fields)), event_id=seq)


async def numbers(client: HiveClient, after: int = 0) -> list[int]:
    return [one.seq async for one in client.jobs.events("j", after)]


def last_event_id(head: bytes) -> str:
    return head.lower().partition(b"last-event-id:")[2].partition(b"\r\n")[0].strip().decode()


@pytest.mark.parametrize("kind", every_error_class())
def test_every_error_comes_back_as_what_it_was(kind: type[RbeeError]) -> None:
    error = kind("what was wrong", remedy="do that", param="$.x")
    for body in (as_problem(error), as_openai(error)):
        back = error_from(error.status, body, {"retry-after": "7"})
        assert back.code == error.code
        assert isinstance(back, kind)
        assert (back.message, back.remedy, back.param) == ("what was wrong", "do that", "$.x")
        if isinstance(back, CapacityError):
            assert back.retry_after_s == 7


def test_of_classes_with_one_code_the_one_that_is_raised_comes_back() -> None:
    assert type(error_from(400, as_problem(InvalidRequest("x")), {})) is InvalidRequest
    assert type(error_from(400, as_problem(ContractError("x")), {})) is InvalidRequest
    assert type(error_from(503, as_problem(NoCapacity("x")), {})) is NoCapacity


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b"[1]", b'{"error": 7}', b"\xff"]
)
def test_a_strangers_error_page_is_a_remote_error_that_quotes_it(body: bytes) -> None:
    error = error_from(502, body, {})
    assert type(error) is RemoteError
    assert "502" in error.message


def test_a_code_from_a_newer_version_is_kept_in_the_words() -> None:
    error = error_from_event("the tide is out", {"code": "no_tide", "status": 503})
    assert type(error) is RemoteError
    assert "no_tide" in error.message


async def test_nobody_listening_is_the_room_that_is_missing() -> None:
    async with raw_worker(lambda _conversation: asyncio.sleep(0)) as port:
        pass
    async with HiveClient(f"http://127.0.0.1:{port}") as hive:
        with pytest.raises(HiveUnreachable, match=f"127.0.0.1:{port}"):
            await hive.health()
    async with QueenClient(f"http://127.0.0.1:{port}") as queen:
        with pytest.raises(QueenUnreachable):
            await queen.info()


async def test_a_server_that_never_answers_is_a_deadline() -> None:
    async with (
        raw_worker(Conversation.left) as port,
        HiveClient(f"http://127.0.0.1:{port}") as hive,
    ):
        with pytest.raises(DeadlineExceeded):
            await hive.transport.ask("GET", "/health", dict, timeout_s=0.05)


async def test_an_answer_of_another_shape_asks_for_the_address() -> None:
    async def play(conversation: Conversation) -> None:
        await conversation.answer(200, ["something", "else"])

    async with raw_worker(play) as port, HiveClient(f"http://127.0.0.1:{port}") as hive:
        with pytest.raises(RemoteError) as caught:
            await hive.info()
        assert "/v1/info" in caught.value.remedy


async def test_the_key_goes_with_every_request() -> None:
    heads: list[bytes] = []

    async def play(conversation: Conversation) -> None:
        heads.append(conversation.head)
        await conversation.answer(200, {"status": "ok"})

    async with raw_worker(play) as port, HiveClient(f"http://127.0.0.1:{port}", key="k1") as hive:
        await hive.health()
    assert b"authorization: bearer k1\r\n" in heads[0].lower()


async def test_a_cut_stream_is_resumed_where_it_was() -> None:
    asked: list[str] = []

    async def play(conversation: Conversation) -> None:
        asked.append(last_event_id(conversation.head))
        await conversation.say(HEAD)
        if len(asked) == 1:
            await conversation.say(chunk(event(1) + event(2) + event(3)[:20]))  # then the cut
        else:
            # The server repeats one that was seen: it must not be told twice.
            await conversation.say(chunk(event(2) + event(3)), chunk(sse.frame(DONE.encode())))

    async with raw_worker(play) as port, HiveClient(f"http://127.0.0.1:{port}") as hive:
        assert await numbers(hive) == [1, 2, 3]
    assert asked == ["", "2"]


async def test_every_outage_is_told_once_and_a_store_in_trouble_is_one() -> None:
    asked, told = list[str](), list[RbeeError]()
    trouble = as_problem(StorageError("the disk is full"))
    refusal = f"HTTP/1.1 507 X\r\ncontent-length: {len(trouble)}\r\n\r\n".encode()

    async def play(conversation: Conversation) -> None:
        asked.append(last_event_id(conversation.head))
        match len(asked):
            case 1 | 4:
                await conversation.say(HEAD, chunk(event(len(asked))))  # then the cut
            case 2 | 3:
                await conversation.say(refusal, trouble)
            case _:
                await conversation.say(HEAD, chunk(sse.frame(DONE.encode())))

    async with raw_worker(play) as port, HiveClient(f"http://127.0.0.1:{port}") as hive:
        events = hive.jobs.events("j", on_cut=told.append)
        assert [one.seq async for one in events] == [1, 4]
    assert asked == ["", "1", "1", "1", "4"]
    assert len(told) == 2
    assert all(isinstance(error, RemoteError) for error in told)


async def test_a_stream_that_ended_while_we_were_away_is_over() -> None:
    async def play(conversation: Conversation) -> None:
        await conversation.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with raw_worker(play) as port, HiveClient(f"http://127.0.0.1:{port}") as hive:
        assert await numbers(hive, after=9) == []


async def test_a_job_that_the_server_forgot_is_not_asked_for_again() -> None:
    count: list[int] = []

    async def play(conversation: Conversation) -> None:
        count.append(1)
        body = as_problem(JobNotFound("gone"))
        head = f"HTTP/1.1 404 X\r\ncontent-length: {len(body)}\r\n\r\n"
        await conversation.say(head.encode(), body)

    async with raw_worker(play) as port, HiveClient(f"http://127.0.0.1:{port}") as hive:
        with pytest.raises(JobNotFound, match="gone"):
            await numbers(hive)
    assert count == [1]


@pytest.mark.parametrize(
    ("frames", "kind", "words"),
    [
        ([b"data: [ERROR] it broke\n\n"], RemoteError, "it broke"),
        (
            [event(1), event(2, "error", data={"code": "queue_full", "retry_after_s": 9})],
            QueueFull,
            "2",
        ),
        ([event(1), event(2, "error", data={"code": "worker_error"})], WorkerFailed, "2"),
        ([event(1), event(2, "error", data={"code": "hive_unreachable"})], HiveUnreachable, "2"),
        ([b"data: {}\n\n"], RemoteError, "no job event"),
    ],
)
async def test_a_failed_job_raises_its_error_and_is_not_retried(
    frames: Sequence[bytes], kind: type[RbeeError], words: str
) -> None:
    count: list[int] = []

    async def play(conversation: Conversation) -> None:
        count.append(1)
        await conversation.say(HEAD, chunk(b"".join(frames)), chunk(b"data: [DONE]\n\n"))

    async with raw_worker(play) as port, HiveClient(f"http://127.0.0.1:{port}") as hive:
        with pytest.raises(kind, match=words):
            await numbers(hive)
    assert count == [1]


async def test_the_older_word_for_a_cancel_is_understood() -> None:
    async def play(conversation: Conversation) -> None:
        await conversation.say(HEAD, chunk(b"data: [CANCELLED]\n\ndata: [DONE]\n\n"))

    async with raw_worker(play) as port, HiveClient(f"http://127.0.0.1:{port}") as hive:
        (one,) = [found async for found in hive.jobs.events("j")]
        assert one.action == "cancelled"


async def test_collect_runs_an_operation_to_its_end() -> None:
    async def play(job: Job, _operation: Operation) -> None:
        job.emit("model_list_entry", "a", type="data", data={"id": "a"})

    async with (
        stub_hive(play) as stub,
        HiveClient("http://localhost", http=stub.transport) as hive,
    ):
        (one,) = await hive.jobs.collect(ModelList())
        assert one.data == {"id": "a"}
        (record,) = await hive.jobs.listing()
        assert (record.status, (await hive.jobs.state(record.job_id)).events) == ("completed", 2)


async def test_an_error_of_a_job_is_raised_from_its_run() -> None:
    async def play(_job: Job, _operation: Operation) -> None:
        raise OutOfMemory("too big", remedy="Less.")

    async with (
        stub_hive(play) as stub,
        HiveClient("http://localhost", http=stub.transport) as hive,
    ):
        with pytest.raises(OutOfMemory, match="too big") as caught:
            await hive.jobs.collect(ModelList())
        assert caught.value.remedy == "Less."


async def test_leaving_a_run_early_cancels_the_job() -> None:
    async def play(job: Job, _operation: Operation) -> None:
        job.emit("model_list_entry", "a")
        await anyio.sleep_forever()

    async def run(hive: HiveClient) -> None:
        async with aclosing(hive.jobs.run(ModelList())) as events:
            async for _event in events:
                pass

    async with (
        stub_hive(play) as stub,
        HiveClient("http://localhost", http=stub.transport) as hive,
    ):
        running = asyncio.create_task(run(hive))
        await until(stub.jobs.list)
        running.cancel()
        await until(lambda: stub.jobs.list()[0].status == "cancelled")
        await until(running.cancelled)


async def test_chat_gives_chunks_until_done_and_raises_what_the_stream_says() -> None:
    async def good(conversation: Conversation) -> None:
        await conversation.stream({"choices": [{"delta": {"content": "hi"}}]})

    async def bad(conversation: Conversation) -> None:
        body = as_openai(WorkerFailed("the worker died"))
        await conversation.say(HEAD, chunk(sse.frame(body)), chunk(b""))

    async def cut(conversation: Conversation) -> None:
        await conversation.say(HEAD, chunk(b'data: {"choices": []}\n\n'), chunk(b""))

    async with raw_worker(good) as port, QueenClient(f"http://127.0.0.1:{port}") as queen:
        (one,) = [found async for found in queen.chat({"model": "m", "messages": []})]
        assert one["choices"][0]["delta"]["content"] == "hi"
    async with raw_worker(bad) as port, QueenClient(f"http://127.0.0.1:{port}") as queen:
        with pytest.raises(WorkerFailed, match="died"):
            [found async for found in queen.chat({"model": "m"})]
    async with raw_worker(cut) as port, QueenClient(f"http://127.0.0.1:{port}") as queen:
        with pytest.raises(RemoteError, match="middle"):
            [found async for found in queen.chat({"model": "m"})]
