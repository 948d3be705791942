"""PostgreSQL goes away in the middle of jobs and comes back: nothing is lost or shown too early."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from rbee.errors import StorageError
from rbee.foundation.job import Job
from rbee.foundation.jobserver import Handler, JobServer
from rbee.foundation.journal import Found
from rbee.foundation.sse import EventReader
from rbee.queen.store import journal as writer
from rbee.queen.store.choice import make_journal
from rbee.testing.postgres import NoPostgres, Server, postgres
from rbee.testing.waiting import until

pytestmark = [pytest.mark.system, pytest.mark.anyio]

TOKENS = 400
WITHIN_S = 30.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(writer, "RETRY_S", 0.05)
    monkeypatch.setattr(writer, "REOPEN_S", 0.05)
    try:
        running = postgres()
        found = running.__enter__()
    except NoPostgres as error:
        pytest.skip(str(error))
    try:
        yield found
    finally:
        running.__exit__(None, None, None)


async def say(job: Job, first: int = 1) -> None:
    for number in range(first, TOKENS + 1):
        job.emit("token", f"{number} ", type="token")
        await anyio.sleep(0.005)


def recovered(found: Found) -> Handler:
    said = sum(b'"type":"token"' in event.data for event in found.events)

    async def handler(job: Job) -> None:
        await say(job, said + 1)

    return handler


@asynccontextmanager
async def job_server(url: str) -> AsyncIterator[JobServer]:
    jobs = JobServer(actor="queen", journal=make_journal(url, Path("/nowhere")))
    jobs.recover_with(recovered)
    async with jobs:
        await jobs.ready()
        yield jobs


async def ids_of(job: Job, after: int = 0) -> list[int]:
    reader, ids = EventReader(), list[int]()
    with anyio.fail_after(WITHIN_S):
        async for frame in job.frames(after):
            ids += [int(event.id or 0) for event in reader.feed(frame)]
    return ids


async def test_the_server_crashes_in_the_middle_of_jobs(server: Server) -> None:
    async with job_server(server.url) as jobs:
        running = [await jobs.accept("infer", say, request=b"{}") for _ in range(5)]
        await until(lambda: all(job.record().events > 20 for job in running))
        await anyio.to_thread.run_sync(server.crash)
        with pytest.raises(StorageError):
            await jobs.accept("infer", say, request=b"{}")
        known = running[0].last_seq
        await until(lambda: running[0].last_seq > known + 5)
        assert running[0].record().events <= known, "work goes on, and shows nothing"
        await anyio.to_thread.run_sync(server.start)
        for job in running:
            assert await ids_of(job) == list(range(1, TOKENS + 2))
            assert job.record().status == "completed"
        listed = {job.id for job in jobs.list() if job.record().status == "completed"}
    async with job_server(server.url) as jobs:
        assert {job.id for job in jobs.list()} >= listed
        assert await ids_of(jobs.get(running[0].id)) == list(range(1, TOKENS + 2))


async def test_a_queen_that_starts_before_her_database_finds_her_jobs_later(
    server: Server,
) -> None:
    async with job_server(server.url) as jobs:
        job = await jobs.accept("infer", say, request=b"{}")
        await until(lambda: job.record().events > 5)
    await anyio.to_thread.run_sync(server.crash)
    async with job_server(server.url) as jobs:
        with pytest.raises(StorageError, match="failed"):
            jobs.get(job.id)
        await anyio.to_thread.run_sync(server.start)
        await until(lambda: any(found.id == job.id for found in jobs.list()), within_s=WITHIN_S)
        assert await ids_of(jobs.get(job.id)) == list(range(1, TOKENS + 2))
