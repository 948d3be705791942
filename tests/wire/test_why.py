"""`GET /v1/jobs/{id}/why` on a whole queen: the id of an answer leads to its decisions."""

import anyio
import msgspec
import pytest

from rbee.contracts.why import Why
from rbee.queen.inference.breaker import FAILURES_MAX
from rbee.queen.settings import Settings
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import Conversation, beat, raw_worker, ready_worker

pytestmark = pytest.mark.anyio

CHAT = {"model": "alias", "messages": [{"role": "user", "content": "a secret question"}]}


async def speak(wire: Conversation) -> None:
    choice = {"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}
    await wire.stream({"id": "c", "object": "chat.completion.chunk", "choices": [choice]})


async def die(wire: Conversation) -> None:
    wire.writer.transport.abort()


async def why(running: RunningQueen, job_id: str) -> Why:
    answer = await running.http.get(f"/v1/jobs/{job_id}/why")
    assert answer.status_code == 200, answer.text
    assert "a secret question" not in answer.text
    assert "Bearer" not in answer.text
    return msgspec.json.decode(answer.content, type=Why)


def tell(running: RunningQueen, *ports: int, stamp: float = 2.0) -> None:
    workers = [ready_worker(f"w{n}", port) for n, port in enumerate(ports)]
    message = beat(workers, at=stamp, names=["alias"])
    running.queen.colony.beat(message, anyio.current_time())


def settings() -> Settings:
    return Settings(quiet_s=0.1, store="memory")


async def test_an_answer_of_the_openai_door_is_explained_by_its_header() -> None:
    async with raw_worker(speak) as port, running_queen(settings=settings()) as running:
        tell(running, port)
        answer = await running.http.post("/v1/chat/completions", json=CHAT)
        assert answer.status_code == 200
        found = await why(running, answer.headers["x-rbee-job"])
    assert [step.kind for step in found.steps] == ["routed", "ended"]
    assert (found.model, found.outcome) == ("alias", "completed")
    decision = found.steps[0].decision
    assert decision is not None
    assert decision.worker_id == answer.headers["x-rbee-worker"]
    assert [one.taken for one in decision.candidates] == [True]


async def test_a_lost_worker_and_the_one_that_came_after_it_are_told() -> None:
    async with (
        raw_worker(die) as dead,
        raw_worker(speak) as alive,
        running_queen(settings=settings()) as running,
    ):
        tell(running, dead, alive)
        ids: list[str] = []
        while len(ids) < 2:  # turns are taken: one of two requests meets the dead one first
            answer = await running.http.post("/v1/chat/completions", json=CHAT)
            assert answer.status_code == 200
            ids.append(answer.headers["x-rbee-job"])
        stories = [await why(running, job_id) for job_id in ids]
    longest = max(stories, key=lambda story: len(story.steps))
    assert [step.kind for step in longest.steps] == ["routed", "lost", "routed", "ended"]
    attempts = [step.decision.attempt for step in longest.steps if step.decision is not None]
    assert attempts == [1, 2]
    assert longest.steps[1].message.startswith("w0: ")


async def test_a_job_is_explained_by_its_id() -> None:
    async with raw_worker(speak) as port, running_queen(settings=settings()) as running:
        tell(running, port)
        body = {"operation": "infer", "model": "alias", "prompt": "a secret question"}
        accepted = (await running.http.post("/v1/jobs", json=body)).json()
        await running.http.get(accepted["sse_url"])
        found = await why(running, accepted["job_id"])
    assert found.outcome == "completed"


async def test_an_unknown_job_is_404_and_says_what_is_kept() -> None:
    async with running_queen(settings=settings()) as running:
        answer = await running.http.get("/v1/jobs/job-nobody/why")
    assert answer.status_code == 404
    assert answer.json()["code"] == "job_not_found"
    assert "X-Rbee-Job" in answer.json()["remedy"]


async def test_labels_are_an_order_and_where_none_runs_it_is_said_at_once() -> None:
    async with (
        raw_worker(speak) as plain,
        raw_worker(speak) as labelled,
        running_queen(settings=settings()) as running,
    ):
        tell(running, plain)
        message = beat([ready_worker("eu", labelled)], hive_id="eu-1", names=["alias"])
        message.hive_info.labels = ["eu", "big"]
        running.queen.colony.beat(message, anyio.current_time())
        headers = {"x-labels": "big, eu"}
        for _ in range(3):
            answer = await running.http.post("/v1/chat/completions", json=CHAT, headers=headers)
            assert (answer.status_code, answer.headers["x-rbee-worker"]) == (200, "eu")
        answer = await running.http.post(
            "/v1/chat/completions", json=CHAT, headers={"x-labels": "moon"}
        )
    assert answer.status_code == 503
    assert "moon" in answer.json()["error"]["message"]


async def test_an_engine_that_fails_in_a_row_is_set_aside_and_why_says_so() -> None:
    async def fail(wire: Conversation) -> None:
        await wire.answer(500, {"error": {"message": "out of memory", "type": "server_error"}})

    async with (
        raw_worker(fail) as broken,
        raw_worker(speak) as well,
        running_queen(settings=settings()) as running,
    ):
        tell(running, broken, well)
        seen: list[int] = []
        last = None
        while seen[-4:] != [200] * 4:  # turns are taken until the broken one is left out
            last = await running.http.post("/v1/chat/completions", json=CHAT)
            seen.append(last.status_code)
            assert len(seen) < 4 * FAILURES_MAX, seen
        assert last is not None
        assert seen.count(200) < len(seen)
        found = await why(running, last.headers["x-rbee-job"])
    decision = found.steps[0].decision
    assert decision is not None
    notes = {one.worker_id: one.note for one in decision.candidates}
    assert "failures in a row" in (notes["w0"] or "")
