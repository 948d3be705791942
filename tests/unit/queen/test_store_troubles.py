"""A store in trouble: locked, damaged, taken over, slow. Nothing is lost, nothing shown too early."""

from pathlib import Path

import anyio
import pytest

from rbee.errors import CorruptStore, StorageError
from rbee.foundation.job import Job
from rbee.foundation.jobserver import JobServer
from rbee.queen.store import journal as writer
from rbee.testing.waiting import until
from unit.queen.store_rig import TOKENS, WHOLE, Place, events_of, is_faulty, texts

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY_S", 0.02)
    monkeypatch.setattr(writer, "REOPEN_S", 0.02)
    monkeypatch.setattr("rbee.queen.store.sqlite.BUSY_S", 0.02)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_nothing_is_shown_before_it_is_kept(place: Place) -> None:
    async with place.server() as jobs:
        place.work.hold_before = 3
        job = await place.accepted(jobs)
        async with place.locked():
            await place.work.held.wait()
            assert job.last_seq == 2
            await until(lambda: is_faulty(jobs))
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
        await until(lambda: not is_faulty(jobs))
        assert place.rows("SELECT * FROM rbee_jobs") == []
        await events_of(await place.accepted(jobs))


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
        await until(lambda: not is_faulty(jobs))
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
            await until(lambda: is_faulty(jobs))
            assert said < 10
        assert len(await events_of(job)) == 51
