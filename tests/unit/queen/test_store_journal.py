"""Jobs on a real store: kept when answered, gone on with after a restart, gone when expired."""

import json
from pathlib import Path

import anyio
import pytest

from rbee.errors import Conflict, JobNotFound, QueenRestarted
from rbee.foundation import jobserver
from rbee.foundation.job import Job
from rbee.foundation.jobserver import Handler
from rbee.foundation.journal import Found
from rbee.foundation.sse import EventReader, ServerEvent
from rbee.queen.store import journal as writer
from rbee.testing.waiting import until
from unit.queen.store_rig import TOKENS, WHOLE, Place, events_of, texts

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("setting", ["memory", "sqlite"])
async def test_a_kept_job_from_its_start_to_its_end(place: Place, setting: str) -> None:
    async with place.server(setting) as jobs:
        job = await place.accepted(jobs)
        events = await events_of(job)
        assert [event.id for event in events] == [str(n) for n in range(1, TOKENS + 2)]
        assert (texts(events), events[-1].data) == (WHOLE, "[DONE]")
        assert (job.record().status, job.over) == ("completed", True)
        job.archive()
        assert await events_of(job) == events, "its log is read from the store now"
        assert await events_of(job, 3) == events[3:]


async def test_it_is_kept_before_it_is_answered(place: Place) -> None:
    async with place.server() as jobs:
        job = await place.accepted(jobs)
        assert place.rows("SELECT job_id, request FROM rbee_jobs") == [(job.id, b"the prompt")]
        await events_of(job)
        assert place.rows("SELECT status, request FROM rbee_jobs") == [("completed", None)]


async def test_a_stop_ends_no_job_and_the_next_goes_on(place: Place) -> None:
    place.work.hold_before = 3
    async with place.server() as jobs:
        job = await place.accepted(jobs)
        await until(lambda: job.record().events == 2)
        first = EventReader()
        seen: list[ServerEvent] = []
        async with anyio.create_task_group() as watching:

            async def watch() -> None:
                async for frame in job.frames():
                    seen.extend(first.feed(frame))

            watching.start_soon(watch)
            await until(lambda: len(seen) == 2)
            jobs.let_go()
    assert (texts(seen), job.over) == ("1 2 ", False)
    place.work.hold_before = TOKENS + 1
    async with place.server() as jobs:
        again = jobs.get(job.id)
        rest = await events_of(again, after=2)
        assert [event.id for event in seen + rest] == [str(n) for n in range(1, TOKENS + 3)]
        assert texts(seen + rest) == WHOLE
        record = again.record()
        assert (record.status, record.created_at) == ("completed", job.created_at)
        assert again.restarts == 1


async def test_an_ended_job_is_shown_after_a_restart(place: Place) -> None:
    async with place.server() as jobs:
        job = await place.accepted(jobs)
        events = await events_of(job)
        record = job.record()
    async with place.server() as jobs:
        (again,) = jobs.list()
        assert again.record() == record
        assert await events_of(again) == events
        assert await events_of(again, TOKENS) == events[TOKENS:]
        with pytest.raises(Conflict):
            jobs.cancel(job.id)


async def test_a_cancel_is_kept_before_it_is_answered(place: Place) -> None:
    place.work.hold_before = 2
    async with place.server() as jobs:
        job = await place.accepted(jobs)
        await place.work.held.wait()
        await jobs.cancelled(job.id)
        assert place.rows("SELECT status FROM rbee_jobs") == [("cancelled",)]
        assert place.rows("SELECT data FROM rbee_job_events ORDER BY seq DESC LIMIT 1") == [
            (b"[DONE]",)
        ]


async def test_a_deadline_counts_on_while_the_queen_is_away(place: Place) -> None:
    now = 1000.0
    place.now = lambda: now
    place.work.hold_before = 1
    async with place.server() as jobs:
        job = await place.accepted(jobs, deadline_s=60.0)
        await place.work.held.wait()
    now += 100
    async with place.server() as jobs:
        events = await events_of(jobs.get(job.id))
        assert "deadline of 60 s" in events[-2].data
        assert jobs.get(job.id).record().status == "failed"


async def test_what_cannot_be_gone_on_with_ends_and_says_why(place: Place) -> None:
    place.work.hold_before = 1
    async with place.server() as jobs:
        job = await place.accepted(jobs)
        await place.work.held.wait()

    def refuse(_found: Found) -> Handler:
        raise QueenRestarted("The model is gone.")

    async with place.server(recover=refuse) as jobs:
        events = await events_of(jobs.get(job.id))
        assert json.loads(events[-2].data)["data"]["code"] == "queen_restarted"
        assert events[-1].data == "[DONE]"
    async with place.server() as jobs:
        assert jobs.get(job.id).record().status == "failed"


async def test_a_job_that_takes_the_queen_down_each_time_is_given_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobserver, "RESTARTS_MAX", 2)
    place.work.hold_before = 1
    async with place.server() as jobs:
        job = await place.accepted(jobs)
    for _ in range(2):
        async with place.server() as jobs:
            assert jobs.get(job.id).record().status == "running"
    async with place.server() as jobs:
        await until(lambda: jobs.get(job.id).over)
        assert "2 restarts" in (jobs.get(job.id).record().error or "")


async def test_expired_jobs_leave_the_store_too(place: Place) -> None:
    now = 1000.0
    place.now = lambda: now
    async with place.server() as jobs:
        job = await place.accepted(jobs)
        await events_of(job)
        now += jobserver.ENDED_KEPT_S + 1
        assert jobs.list() == []
        with pytest.raises(JobNotFound):
            jobs.get(job.id)
        await until(lambda: place.rows("SELECT * FROM rbee_jobs") == [])
        assert place.rows("SELECT * FROM rbee_job_events") == []


async def test_jobs_that_expired_while_the_queen_was_away_are_gone(place: Place) -> None:
    now = 1000.0
    place.now = lambda: now
    async with place.server() as jobs:
        await events_of(await place.accepted(jobs))
    now += jobserver.ENDED_KEPT_S + 1
    async with place.server() as jobs:
        assert jobs.list() == []
    assert place.rows("SELECT * FROM rbee_jobs") == []


async def test_a_log_is_bounded_in_the_store_as_in_memory(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rbee.foundation.job.LOG_BYTES_MAX", 4096)

    async def handler(job: Job) -> None:
        for _ in range(200):
            job.emit("token", "x" * 100, type="token")

    async with place.server() as jobs:
        job = await jobs.accept("infer", handler, request=b"")
        live = await events_of(job)
        assert place.rows("SELECT count(*) FROM rbee_job_events") == [(len(live),)]
        job.archive()
        assert await events_of(job) == live
        async for frame in job.frames():
            assert frame.startswith(b": %d events after id 0" % (201 - len(live)))
            break


async def test_many_posts_share_commits(place: Place) -> None:
    async with place.server() as jobs:
        journal = jobs._journal
        assert isinstance(journal, writer.StoreJournal)
        before = journal.commits
        accepted: list[Job] = []

        async def post() -> None:
            accepted.append(await place.accepted(jobs))

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(post)
        assert len(accepted) == 100
        assert journal.commits - before < 50, "a hundred jobs begin and end in them, too"
        for job in accepted:
            assert texts(await events_of(job)) == WHOLE
