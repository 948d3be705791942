"""Small unary answers of event-driven engines: in one piece, without a task, or the long way.

The workers are raw sockets that keep their connections, the queen's door is served by
a real server; what the client gets is the same whichever way it took.
"""

import asyncio

import pytest

from rbee.testing.waiting import until
from wire.keeping import ANSWER, ask, door, whole

pytestmark = pytest.mark.anyio


async def test_the_second_request_goes_over_the_first_ones_connection() -> None:
    async with door(lambda _: whole()) as at:
        for number in range(5):
            answer = await ask(at)
            assert answer.status_code == 200
            assert answer.content == ANSWER
            assert answer.headers["x-rbee-worker"] == "w0"
            assert answer.headers["x-request-id"] == answer.headers["x-rbee-job"]
            job = answer.headers["x-rbee-job"]
            why = at.dispatcher.plane.ledger.why(job)
            assert (why.outcome, why.model) == ("completed", "m"), number
        assert at.workers[0].connections == 1
        assert at.admission.idle.is_set()
        (row,) = at.tally.rows()
        assert row.statuses == {200: 5}
        assert (row.prompt_tokens, row.completion_tokens) == (15, 20)


async def test_a_connection_that_the_worker_closed_meanwhile_is_no_dead_worker() -> None:
    async with door(lambda _: whole()) as at:
        assert (await ask(at)).status_code == 200
        at.workers[0].close_connections()
        assert (await ask(at)).content == ANSWER
        assert at.workers[0].connections == 2
        assert at.tally.retries == {}


async def test_a_worker_that_dies_under_a_request_is_replaced_unseen() -> None:
    def dying(number: int) -> bytes | None:
        return whole() if number == 0 else None

    async with door(dying, lambda _: whole()) as at:
        for _ in range(6):
            assert (await ask(at)).content == ANSWER
        # Once well, once over the old connection (which might have been stale), once anew.
        assert at.workers[0].asked == 3
        assert at.admission.idle.is_set()


async def test_half_an_answer_is_not_shown_but_asked_for_again() -> None:
    def half(number: int) -> bytes:
        return whole() if number == 0 else whole()[:-5]

    async with door(half, lambda _: whole()) as at:
        await ask(at)
        await ask(at)
        asking = asyncio.gather(*(ask(at) for _ in range(2)))
        await until(lambda: at.workers[0].asked >= 2)
        at.workers[0].close_connections()
        assert [answer.content for answer in await asking] == [ANSWER, ANSWER]


async def test_an_engines_refusal_is_worded_and_its_failure_too() -> None:
    refused = whole(b'{"error":{"message":"no such thing"}}', "400 Bad Request")
    async with door(lambda n: whole() if n == 0 else refused) as at:
        await ask(at)
        answer = await ask(at)
        assert answer.status_code == 400
        assert "no such thing" in answer.json()["error"]["message"]
        assert (await ask(at)).status_code == 400  # and the connection goes on


async def test_a_large_answer_is_poured() -> None:
    large = b'{"data":"' + b"x" * 600_000 + b'"}'
    async with door(lambda n: whole() if n == 0 else whole(large)) as at:
        await ask(at)
        answer = await ask(at)
        assert answer.content == large
        assert answer.headers["content-length"] == str(len(large))


async def test_a_client_that_leaves_stops_the_worker_and_frees_the_slot() -> None:
    async with door(lambda n: whole() if n == 0 else b"") as at:
        await ask(at)
        asking = asyncio.create_task(ask(at))
        await until(lambda: at.workers[0].asked == 2)
        asking.cancel()
        await until(at.admission.idle.is_set)
        await until(lambda: at.workers[0].left)
        (row,) = at.tally.rows()
        assert row.statuses == {200: 1, 499: 1}


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"", 400), (b'{"model":""}', 400), (b'{"model":"other"}', 404)],
)
async def test_what_is_wrong_is_said_as_ever(body: bytes, status: int) -> None:
    async with door(lambda _: whole()) as at:
        await ask(at)
        answer = await at.client.post("/v1/chat/completions", content=body)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]
