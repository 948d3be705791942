"""Jobs on a real store: shown when kept, kept when shown, gone on with after a restart."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest

from rbee.errors import Conflict, CorruptStore, JobNotFound, QueenRestarted, StorageError
from rbee.foundation import jobserver
from rbee.foundation.job import Job
from rbee.foundation.jobserver import Handler, JobServer
from rbee.foundation.journal import Found
from rbee.foundation.sse import EventReader, ServerEvent
from rbee.queen.store import journal as writer
from rbee.queen.store.choice import make_journal
from rbee.queen.store.sqlite import FILE_NAME
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

DEADLINE_S = 10.0
TOKENS = 5


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY_S", 0.02)
    monkeypatch.setattr(writer, "REOPEN_S", 0.02)
    monkeypatch.setattr("rbee.queen.store.sqlite.BUSY_S", 0.02)


class Work:
    """An answer of ``TOKENS`` tokens, which can be held up before any of them."""

    def __init__(self) -> None:
        self.hold_before = TOKENS + 1
        self.held = anyio.Event()

    def recovered(self, found: Found) -> Handler:
        said = [event for event in found.events if b'"token"' in event.data]

        async def handler(job: Job) -> None:
            job.emit("infer_resumed", "…")
            await self.say(job, len(said) + 1)

        return handler

    async def fresh(self, job: Job) -> None:
        await self.say(job, 1)

    async def say(self, job: Job, first: int) -> None:
        for number in range(first, TOKENS + 1):
            if number == self.hold_before:
                self.held.set()
                await anyio.sleep_forever()
            job.emit("token", f"{number} ", type="token")
            await anyio.lowlevel.checkpoint()


class Place:
    """A store's folder, the servers that ran on it, and what they were given to do."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / FILE_NAME
        self.work = Work()
        self.now: Callable[[], float] | None = None

    @asynccontextmanager
    async def server(self, setting: str = "sqlite") -> AsyncIterator[JobServer]:
        journal = make_journal(setting, self.directory)
        now = {} if self.now is None else {"now": self.now}
        jobs = JobServer(actor="queen", journal=journal, **now)
        jobs.recover_with(self.work.recovered)
        async with jobs:
            with anyio.fail_after(DEADLINE_S):
                await jobs.ready()
            yield jobs

    async def accepted(self, jobs: JobServer, **options: float) -> Job:
        return await jobs.accept("infer", self.work.fresh, request=b"the prompt", **options)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Another program holds the file."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                other.execute("ROLLBACK")

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path)) as other:
            return other.execute(query).fetchall()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def events_of(job: Job, after: int = 0) -> list[ServerEvent]:
    reader, seen = EventReader(), list[ServerEvent]()
    with anyio.fail_after(DEADLINE_S):
        async for frame in job.frames(after):
            seen += reader.feed(frame)
    return seen


def texts(events: list[ServerEvent]) -> str:
    found = [json.loads(event.data) for event in events if event.data != "[DONE]"]
    return "".join(event["message"] for event in found if event["action"] == "token")


WHOLE = "".join(f"{n} " for n in range(1, TOKENS + 1))


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


async def test_nothing_is_shown_before_it_is_kept(place: Place) -> None:
    async with place.server() as jobs:
        place.work.hold_before = 3
        job = await place.accepted(jobs)
        async with place.locked():
            await place.work.held.wait()
            assert job.last_seq == 2
            await until(lambda: jobs._journal is not None and jobs._journal.fault is not None)
            assert job.record().events == 0
            with anyio.move_on_after(0.05) as waiting:
                async for _frame in job.frames():
                    raise AssertionError("an event was shown that is not kept")
            assert waiting.cancelled_caught
        await until(lambda: job.record().events == 2)
        assert len(place.rows("SELECT seq FROM rbee_job_events")) == 2


async def test_an_end_that_is_not_kept_is_not_shown(place: Place) -> None:
    async with place.server() as jobs:
        job = await place.accepted(jobs)
        async with place.locked():
            await until(lambda: job.ended)
            record = job.record()
            assert (job.over, record.status, record.ended_at) == (False, "running", None)
        await until(lambda: job.over)
        assert job.record().status == "completed"


async def test_a_job_that_cannot_be_kept_is_refused_and_does_not_run(place: Place) -> None:
    async with place.server() as jobs:
        async with place.locked():
            with pytest.raises(StorageError, match="another program"):
                await place.accepted(jobs)
            with pytest.raises(StorageError, match="another program"):
                await place.accepted(jobs)
        assert jobs.list() == []
        await until(lambda: jobs._journal is not None and jobs._journal.fault is None)
        assert place.rows("SELECT * FROM rbee_jobs") == []
        await events_of(await place.accepted(jobs))


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

    place.work.recovered = refuse  # type: ignore[method-assign]
    async with place.server() as jobs:
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


async def test_a_damaged_store_is_told_and_comes_back_when_it_is_repaired(place: Place) -> None:
    async with place.server() as jobs:
        job = await place.accepted(jobs)
        events = await events_of(job)
    good = place.path.read_bytes()
    place.path.write_bytes(b"damage" * 1000)
    async with place.server() as jobs:
        with pytest.raises(CorruptStore):
            await place.accepted(jobs)
        with pytest.raises(CorruptStore):
            jobs.get(job.id)
        assert (await jobs_status(jobs)) == "completed", "other jobs need no store"
        assert place.path.read_bytes() == b"damage" * 1000
        place.path.write_bytes(good)
        await until(lambda: jobs._journal is not None and jobs._journal.fault is None)
        assert await events_of(jobs.get(job.id)) == events


async def jobs_status(jobs: JobServer) -> str:
    async def handler(job: Job) -> None:
        job.emit("status_start", "…")

    job = jobs.submit("status", handler)
    await events_of(job)
    return job.record().status


async def test_another_queen_that_takes_the_store_ends_the_jobs_of_this_one(place: Place) -> None:
    place.work.hold_before = 2
    async with place.server() as old:
        job = await place.accepted(old)
        await place.work.held.wait()
        await until(lambda: job.record().events == 1)
        place.work.hold_before = TOKENS + 1
        async with place.server() as new:
            assert texts(await events_of(new.get(job.id))) == WHOLE
            with pytest.raises(StorageError, match="Another queen"):
                await place.accepted(old)
            await until(lambda: job.over)
            assert "Another queen" in (job.record().error or "")
        assert place.rows("SELECT status FROM rbee_jobs") == [("completed",)]


async def test_many_posts_share_commits(place: Place) -> None:
    async with place.server() as jobs:
        before = jobs._journal.commits  # type: ignore[union-attr]
        accepted: list[Job] = []

        async def post() -> None:
            accepted.append(await place.accepted(jobs))

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(post)
        assert len(accepted) == 100
        assert jobs._journal.commits - before < 20  # type: ignore[union-attr]
        for job in accepted:
            assert texts(await events_of(job)) == WHOLE


async def test_work_waits_when_the_store_is_far_behind(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BEHIND_BYTES_MAX", 1000)
    said = 0

    async def chatter(job: Job) -> None:
        nonlocal said
        for _ in range(50):
            job.emit("token", "x" * 100, type="token")
            said += 1
            await job.room()

    async with place.server() as jobs:
        job = await jobs.accept("infer", chatter, request=b"")
        async with place.locked():
            await until(lambda: jobs._journal is not None and jobs._journal.fault is not None)
            assert said < 10
        assert len(await events_of(job)) == 51
