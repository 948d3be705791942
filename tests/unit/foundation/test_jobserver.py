"""Jobs: they start at once, keep their events, end exactly once, whoever listens."""

import json
from collections.abc import AsyncIterator

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.jobs import JobState
from rbee.errors import CapacityError, Conflict, InvalidRequest, JobNotFound, ShuttingDown
from rbee.foundation import jobserver
from rbee.foundation.jobserver import Job, JobServer
from rbee.foundation.sse import EventReader, ServerEvent

pytestmark = pytest.mark.anyio

DEADLINE_S = 5.0


@pytest.fixture
async def jobs() -> AsyncIterator[JobServer]:
    async with JobServer(actor="queen") as server:
        yield server


async def events_of(job: Job, after: int = 0) -> list[ServerEvent]:
    """Everything a subscriber reads until the stream ends."""
    reader, seen = EventReader(), list[ServerEvent]()
    with anyio.fail_after(DEADLINE_S):
        async for frame in job.frames(after):
            seen += reader.feed(frame)
    return seen


def actions(events: list[ServerEvent]) -> list[str]:
    return [e.data if e.data == "[DONE]" else json.loads(e.data)["action"] for e in events]


async def three(job: Job) -> None:
    for text in "abc":
        job.emit("token", text, type="token")
        await anyio.lowlevel.checkpoint()


async def forever(job: Job) -> None:
    job.emit("waiting", "…")
    await anyio.sleep_forever()


async def test_a_job_starts_without_a_subscriber(jobs: JobServer) -> None:
    ran = anyio.Event()

    async def handler(_job: Job) -> None:
        ran.set()

    jobs.submit("infer", handler)
    with anyio.fail_after(DEADLINE_S):
        await ran.wait()


async def test_events_are_numbered_and_done_is_last(jobs: JobServer) -> None:
    job = jobs.submit("infer", three)
    events = await events_of(job)
    assert [event.id for event in events] == ["1", "2", "3", "4"]
    assert events[-1].data == "[DONE]"
    first = json.loads(events[0].data)
    assert first["job_id"] == job.id
    assert (first["action"], first["message"], first["type"]) == ("token", "a", "token")
    assert (first["seq"], first["actor"]) == (1, "queen")
    assert job.record().status == "completed"


async def test_any_number_of_subscribers_at_any_time_read_the_same(jobs: JobServer) -> None:
    job = jobs.submit("infer", three)
    seen: list[list[ServerEvent]] = []

    async def subscribe() -> None:
        seen.append(await events_of(job))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(subscribe)
    seen.append(await events_of(job))
    assert len(seen) == 21
    assert all(events == seen[0] for events in seen)


@pytest.mark.parametrize("after", range(5))
async def test_a_subscriber_resumes_after_its_last_id(jobs: JobServer, after: int) -> None:
    job = jobs.submit("infer", three)
    everything = await events_of(job)
    assert await events_of(job, after) == everything[after:]


async def test_a_subscriber_that_leaves_cancels_nothing(jobs: JobServer) -> None:
    go = anyio.Event()

    async def handler(job: Job) -> None:
        job.emit("first", "1")
        await go.wait()
        job.emit("second", "2")

    job = jobs.submit("infer", handler)
    async for _frame in job.frames():
        break
    go.set()
    assert actions(await events_of(job)) == ["first", "second", "[DONE]"]


async def test_cancelled_ends_with_cancelled_and_done(jobs: JobServer) -> None:
    job = jobs.submit("infer", forever)
    await anyio.lowlevel.checkpoint()
    assert jobs.cancel(job.id) is job
    assert jobs.cancel(job.id) is job
    assert actions(await events_of(job))[-2:] == ["cancelled", "[DONE]"]
    assert job.record().status == "cancelled"


async def test_cancelled_before_it_began(jobs: JobServer) -> None:
    job = jobs.submit("infer", forever)
    jobs.cancel(job.id)
    assert actions(await events_of(job))[-2:] == ["cancelled", "[DONE]"]


async def test_what_has_ended_cannot_be_cancelled(jobs: JobServer) -> None:
    job = jobs.submit("infer", three)
    await events_of(job)
    with pytest.raises(Conflict):
        jobs.cancel(job.id)
    assert job.record().status == "completed"


async def test_the_deadline_fails_the_job(jobs: JobServer) -> None:
    job = jobs.submit("infer", forever, deadline_s=0.02)
    events = await events_of(job)
    assert actions(events)[-2:] == ["error", "[DONE]"]
    error = json.loads(events[-2].data)
    assert error["type"] == "error"
    assert (error["data"]["code"], error["data"]["status"]) == ("deadline", 504)
    assert job.record().status == "failed"


async def test_an_error_reaches_the_subscriber_with_its_remedy(jobs: JobServer) -> None:
    async def handler(_job: Job) -> None:
        raise CapacityError("Full.", retry_after_s=7)

    events = await events_of(jobs.submit("infer", handler))
    error = json.loads(events[0].data)
    assert error["message"] == "Full."
    assert error["data"]["retry_after_s"] == 7
    assert error["data"]["remedy"]


async def test_an_error_inside_a_task_group_is_still_that_error(jobs: JobServer) -> None:
    async def failing() -> None:
        raise InvalidRequest("No.", param="$.x")

    async def handler(_job: Job) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(failing)

    events = await events_of(jobs.submit("infer", handler))
    assert json.loads(events[0].data)["data"]["param"] == "$.x"


async def test_what_nobody_foresaw_shows_no_details(jobs: JobServer) -> None:
    async def handler(_job: Job) -> None:
        raise ZeroDivisionError("secret details")

    events = await events_of(jobs.submit("infer", handler))
    assert "secret" not in events[0].data
    assert "Traceback" not in events[0].data
    assert json.loads(events[0].data)["data"]["code"] == "internal_error"


async def test_an_unknown_job_is_not_found(jobs: JobServer) -> None:
    for ask in (jobs.get, jobs.cancel):
        with pytest.raises(JobNotFound):
            ask("job-none")


async def test_the_log_is_bounded_and_says_what_it_dropped(
    jobs: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rbee.foundation.job.LOG_BYTES_MAX", 4096)

    async def handler(job: Job) -> None:
        for _ in range(200):
            job.emit("token", "x" * 100, type="token")

    job = jobs.submit("infer", handler)
    with anyio.fail_after(DEADLINE_S):
        while not job.ended:
            await anyio.lowlevel.checkpoint()
        content = b"".join([frame async for frame in job.frames()])
    assert len(content) < 4096 + 200
    kept = list(EventReader().feed(content))
    assert [int(e.id or 0) for e in kept] == list(range(202 - len(kept), 202))
    assert content.startswith(b": %d events after id 0" % (201 - len(kept)))


async def test_ended_jobs_are_forgotten_after_their_time() -> None:
    now = 1000.0
    async with JobServer(actor="queen", now=lambda: now) as jobs:
        job = jobs.submit("infer", three)
        await events_of(job)
        now += jobserver.ENDED_KEPT_S - 1
        assert jobs.list() == [job]
        now += 2
        assert jobs.list() == []
        with pytest.raises(JobNotFound):
            jobs.get(job.id)


async def test_the_newest_job_is_listed_first() -> None:
    now = 0.0
    async with JobServer(actor="queen", now=lambda: now) as jobs:
        first = jobs.submit("infer", three)
        now = 1.0
        second = jobs.submit("infer", three)
        assert jobs.list() == [second, first]


async def test_too_many_jobs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobserver, "RUNNING_MAX", 3)
    async with JobServer(actor="queen") as jobs:
        for _ in range(3):
            jobs.submit("infer", forever)
        with pytest.raises(CapacityError):
            jobs.submit("infer", forever)


async def test_one_owner_leaves_room_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobserver, "RUNNING_PER_OWNER_MAX", 2)
    async with JobServer(actor="queen") as jobs:
        first = jobs.submit("infer", forever, owner="key-1")
        jobs.submit("infer", forever, owner="key-1")
        with pytest.raises(CapacityError, match="this key"):
            jobs.submit("infer", forever, owner="key-1")
        jobs.submit("infer", forever, owner="key-2")
        jobs.cancel(first.id)
        await first.wait_over()
        jobs.submit("infer", forever, owner="key-1")


async def test_a_server_that_closes_ends_its_jobs_and_takes_no_more() -> None:
    async with JobServer(actor="queen") as jobs:
        job = jobs.submit("infer", forever)
        await anyio.lowlevel.checkpoint()
    assert job.record().status == "cancelled"
    assert actions(await events_of(job))[-2:] == ["cancelled", "[DONE]"]
    with pytest.raises(ShuttingDown):
        jobs.submit("infer", three)


async def test_silence_is_filled_with_comments(
    jobs: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rbee.foundation.sse.KEEP_ALIVE_EVERY_S", 0.01)
    job = jobs.submit("infer", forever)
    seen: list[bytes] = []
    with anyio.fail_after(DEADLINE_S):
        async for frame in job.frames():
            seen.append(frame)
            if len(seen) == 3:
                break
    assert seen[1:] == [b": keep-alive\n\n"] * 2
    assert not job.ended


STEPS = st.lists(st.sampled_from(["emit", "pause"]), max_size=8)
ENDS = st.sampled_from(["return", "refuse", "break", "cancel", "deadline"])


@given(steps=STEPS, end=ENDS, readers=st.lists(st.integers(0, 10), max_size=4))
def test_a_job_ends_exactly_once_however_it_ends(
    steps: list[str], end: str, readers: list[int]
) -> None:
    async def handler(job: Job) -> None:
        for step in steps:
            if step == "emit":
                job.emit("token", "x", type="token")
            else:
                await anyio.lowlevel.checkpoint()
        if end == "refuse":
            raise InvalidRequest("No.")
        if end == "break":
            raise RuntimeError
        if end in {"cancel", "deadline"}:
            await anyio.sleep_forever()

    async def run() -> None:
        async with JobServer(actor="queen") as jobs:
            job = jobs.submit("infer", handler, deadline_s=0.001 if end == "deadline" else None)
            if end == "cancel":
                jobs.cancel(job.id)
            everything = await events_of(job)
            assert actions(everything).count("[DONE]") == 1
            assert everything[-1].data == "[DONE]"
            assert [int(e.id or 0) for e in everything] == list(range(1, len(everything) + 1))
            wanted: dict[str, JobState] = {"return": "completed", "cancel": "cancelled"}
            assert job.status == wanted.get(end, "failed")
            for after in readers:
                assert await events_of(job, after) == everything[after:]

    anyio.run(run)
