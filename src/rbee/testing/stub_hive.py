"""A hive without a machine: a real job server whose operations a test plays.

It speaks the hive's job routes in process (no socket) and gives a transport for
whoever would call it. What it was told to do is kept in ``operations``.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import httpx2
from starlette.applications import Starlette

from rbee.contracts.jobs import Operation, decode_operation
from rbee.contracts.principals import Principal
from rbee.errors import RbeeError
from rbee.foundation.http.jobs_api import job_routes
from rbee.foundation.http.problems import problem_response
from rbee.foundation.jobserver import Job, JobServer

Play: TypeAlias = Callable[[Job, Operation], Awaitable[None]]


class StubHive:
    """Plays every operation that is posted to it."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.operations: list[Operation] = []
        self.jobs = JobServer(actor="hive")
        app = Starlette(
            routes=job_routes(self.jobs, self._submit),
            exception_handlers={RbeeError: problem_response},
        )
        self.transport = httpx2.ASGITransport(app=app)

    def _submit(self, body: bytes, _who: Principal) -> Job:
        operation = decode_operation(body)
        self.operations.append(operation)

        async def handler(job: Job) -> None:
            await self.play(job, operation)

        return self.jobs.submit(type(operation).__name__, handler)


@asynccontextmanager
async def stub_hive(play: Play) -> AsyncGenerator[StubHive]:
    """A stub hive for the length of a block."""
    hive = StubHive(play)
    async with hive.jobs:
        yield hive
