"""The job server's routes, the same on queen and hive (**S** in wire.md).

The room gives ``submit``: it decodes the body, finds the handler and starts the
job; one that has to be kept first is awaited. Bodies are read as JSON whatever
their Content-Type says. No route answers before the jobs of an earlier process
are known: a client that reconnects must not be told that its job never was. Who is
no operator sees its own jobs alone: any other one is, to it, not there.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from rbee.contracts.jobs import JobAccepted, JobCancelled, JobList
from rbee.contracts.principals import LOCAL, Principal
from rbee.errors import InvalidRequest, JobNotFound
from rbee.foundation.http.answers import answer
from rbee.foundation.http.body import read_body
from rbee.foundation.http.gate import PRINCIPAL
from rbee.foundation.jobserver import Job, JobServer

Submit: TypeAlias = Callable[[bytes, Principal], Job | Awaitable[Job]]

LISTED_MAX = 3000  # all that a server holds: 2,000 that run and 1,000 that ended

SSE_HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would collect events into blocks of 4 KiB
}

_EVENT_ID_DIGITS_MAX = 18  # more events than that no job will ever have


def job_routes(jobs: JobServer, submit: Submit) -> list[Route]:
    """Routes for ``/v1/jobs`` and below."""

    async def post(request: Request) -> Response:
        body = await read_body(request)
        await jobs.ready()
        found = submit(body, _asker(request))
        job = found if isinstance(found, Job) else await found
        return answer(
            JobAccepted(
                job_id=job.id,
                sse_url=f"/v1/jobs/{job.id}/stream",
                status=job.status,
                created_at=job.created_at,
            )
        )

    async def listing(request: Request) -> Response:
        limit = _limit(request)
        await jobs.ready()
        who = _asker(request)
        seen = [job for job in jobs.list() if _may_see(who, job)]
        return answer(JobList(jobs=[job.record() for job in seen[:limit]]))

    async def state(request: Request) -> Response:
        await jobs.ready()
        return answer(_found(jobs, request).record())

    async def cancel(request: Request) -> Response:
        await jobs.ready()
        job = await jobs.cancelled(_found(jobs, request).id)
        return answer(JobCancelled(job_id=job.id))

    async def stream(request: Request) -> Response:
        await jobs.ready()
        job = _found(jobs, request)
        after = _last_event_id(request)
        if job.over and after >= job.last_seq:
            # A browser's EventSource reconnects after every end until it is told 204.
            return Response(status_code=204)
        return StreamingResponse(
            job.frames(after), media_type="text/event-stream", headers=SSE_HEADERS
        )

    return [
        Route("/v1/jobs", post, methods=["POST"]),
        Route("/v1/jobs", listing, methods=["GET"]),
        Route("/v1/jobs/{job_id}", state, methods=["GET"]),
        Route("/v1/jobs/{job_id}", cancel, methods=["DELETE"]),
        Route("/v1/jobs/{job_id}/stream", stream, methods=["GET"]),
    ]


def _asker(request: Request) -> Principal:
    return request.scope.get(PRINCIPAL, LOCAL)


def _may_see(who: Principal, job: Job) -> bool:
    return who.operator or job.owner == who.id


def _found(jobs: JobServer, request: Request) -> Job:
    """The job of the path.

    Raises:
        JobNotFound: there is none, or it is somebody else's: nobody learns which.
    """
    job_id = request.path_params["job_id"]
    job = jobs.get(job_id)
    if not _may_see(_asker(request), job):
        raise JobNotFound(f"There is no job {job_id!r}.")
    return job


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(LISTED_MAX))
    if not text.isdecimal() or not 1 <= (limit := int(text[:_EVENT_ID_DIGITS_MAX])) <= LISTED_MAX:
        raise InvalidRequest(f"`limit` is {text!r}, not 1 to {LISTED_MAX}.", param="limit")
    return limit


def _last_event_id(request: Request) -> int:
    text = request.headers.get("last-event-id", "").strip()
    if not text:
        return 0
    if not text.isdecimal() or len(text) > _EVENT_ID_DIGITS_MAX:
        raise InvalidRequest(
            f"Last-Event-ID {text!r} is not an id of this stream.", param="Last-Event-ID"
        )
    return int(text)
