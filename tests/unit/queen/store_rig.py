"""Job servers on a real store, with work that can be held up: what the tests of both share."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio

from rbee.foundation.job import Job
from rbee.foundation.jobserver import Handler, JobServer, Recover
from rbee.foundation.journal import Found
from rbee.foundation.sse import EventReader, ServerEvent
from rbee.queen.store.choice import make_journal
from rbee.queen.store.sqlite import FILE_NAME

DEADLINE_S = 10.0
TOKENS = 5


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
    async def server(
        self, setting: str = "sqlite", recover: Recover | None = None
    ) -> AsyncIterator[JobServer]:
        journal = make_journal(setting, self.directory)
        now = {} if self.now is None else {"now": self.now}
        jobs = JobServer(actor="queen", journal=journal, **now)
        jobs.recover_with(recover or self.work.recovered)
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


def is_faulty(jobs: JobServer) -> bool:
    assert jobs._journal is not None
    return jobs._journal.fault is not None
