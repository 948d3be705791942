"""Streams of the quick lane: poured without a task, and the long way where it is needed.

The workers are raw sockets that keep their connections; the queen's door is served by a
real server. A stream that goes on after its worker's death is tests/system's
(``test_answers_survive``), with engines that can be asked to go on.
"""

import asyncio

import pytest

from rbee.foundation.http.hot import HotProtocol
from rbee.queen.api import quick
from rbee.queen.inference import answering
from rbee.testing.waiting import until
from wire.keeping import At, ask, door, whole

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
LAST = (
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\ndata: [DONE]\n\n'
)


def chunks(*events: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in events)


WHOLE = HEAD + chunks(FIRST, LAST) + b"0\r\n\r\n"


async def stream(at: At) -> bytes:
    answer = await ask(at, stream=True)
    assert answer.status_code == 200
    return answer.content


async def test_a_stream_is_poured_as_it_came_and_counted() -> None:
    async with door(lambda _: WHOLE) as at:
        for _ in range(3):
            answer = await ask(at, stream=True)
            assert answer.content == FIRST + LAST
            assert answer.headers["content-type"] == "text/event-stream"
            assert answer.headers["x-rbee-worker"] == "w0"
            assert at.dispatcher.plane.ledger.why(answer.headers["x-rbee-job"]).outcome == (
                "completed"
            )
        assert at.workers[0].connections == 1
        assert at.admission.idle.is_set()
        (row,) = at.tally.rows()
        assert (row.statuses, row.events) == ({200: 3}, 9)
        assert (row.prompt_tokens, row.completion_tokens) == (9, 12)


async def test_a_refused_stream_is_worded_and_a_whole_answer_passes() -> None:
    refused = whole(b'{"error":{"message":"no such thing"}}', "400 Bad Request")
    async with door(lambda n: whole() if n else refused) as at:
        answer = await ask(at, stream=True)
        assert answer.status_code == 400
        assert "no such thing" in answer.json()["error"]["message"]
        assert (await ask(at, stream=True)).content == whole().partition(b"\r\n\r\n")[2]


async def test_a_worker_that_dies_before_its_first_event_is_replaced_unseen() -> None:
    def dying(_number: int) -> bytes | None:
        return None

    async with door(dying, lambda _: WHOLE) as at:
        for _ in range(3):
            assert await stream(at) == FIRST + LAST
        assert at.admission.idle.is_set()
        assert sum(at.tally.retries.values()) == 1


async def test_nobody_listens_there_any_more() -> None:
    async with door(lambda _: WHOLE, lambda _: WHOLE) as at:
        gone = at.workers[0]
        await at.close_door(gone)
        for _ in range(3):
            assert await stream(at) == FIRST + LAST
        assert gone.asked == 0


async def test_a_client_that_leaves_its_stream_stops_the_worker() -> None:
    async with door(lambda _: HEAD + chunks(FIRST)) as at:
        async with at.client.stream(
            "POST", "/v1/chat/completions", json={"model": "m", "messages": [], "stream": True}
        ) as answer:
            assert (await anext(answer.aiter_raw())).startswith(b"data: ")
        await until(at.admission.idle.is_set)
        await until(lambda: at.workers[0].left)
        (row,) = at.tally.rows()
        assert row.statuses == {499: 1}


async def test_who_waits_long_for_a_first_token_is_told_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quick, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(quick, "TELL_AFTER_S", 0.05)
    monkeypatch.setattr(answering, "TELL_AFTER_S", 0.05)
    async with door(lambda _: b"", early_head_s=0.01) as at:
        asking = asyncio.create_task(ask(at, stream=True))
        await until(lambda: at.workers[0].asked == 1)
        await asyncio.sleep(0.3)  # the worker reads a long prompt
        at.workers[0].write(WHOLE)
        text = (await asking).content
        assert text.startswith(b": waiting position=0")
        assert b"reads the prompt" in text
        assert text.endswith(LAST)
        assert at.admission.idle.is_set()


async def test_a_client_that_leaves_before_the_ordinary_ways_first_step_leaks_no_slot() -> None:
    async with door(lambda _: WHOLE, unary_cancel=False) as at:
        _, writer = await asyncio.open_connection(*at.address)
        await until(lambda: at.serving.server_state.connections)
        (client,) = at.serving.server_state.connections
        assert isinstance(client, HotProtocol)
        body = b'{"model":"m","messages":[]}'
        client.data_received(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        assert not at.admission.idle.is_set()
        client.connection_lost(None)  # in the same turn of the loop: the task never starts
        await until(at.admission.idle.is_set)
        (row,) = at.tally.rows()
        assert row.statuses == {499: 1}
        assert at.workers[0].asked == 0
        writer.transport.abort()
