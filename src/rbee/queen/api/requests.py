"""Requests that wait or run, whoever asked and by whichever door: look at them, cancel one.

``GET /v1/requests`` is the table ``requests`` of the state stream, once. A request that an
operator cancels ends with the error ``request_cancelled`` at its client, in the client's own
dialect, also in the middle of a stream; a job of ``/v1/jobs`` fails with it.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee.contracts.jobs import JobCancelled
from rbee.contracts.principals import LOCAL, Principal
from rbee.contracts.state import RequestList
from rbee.errors import JobNotFound, RequestCancelled
from rbee.foundation import logs
from rbee.foundation.http.answers import answer
from rbee.foundation.http.gate import PRINCIPAL
from rbee.foundation.jobserver import JobServer
from rbee.queen.inference.plane import Plane
from rbee.queen.state.sampler import request_row

ENDED_SHOWN: Final = 200  # as many as the stream shows

_log = logs.get(__name__)


def request_routes(plane: Plane, jobs: JobServer) -> list[Route]:
    """``/v1/requests`` and below."""

    async def listing(request: Request) -> Response:
        who: Principal = request.scope.get(PRINCIPAL, LOCAL)
        rows = [request_row(glance) for glance in plane.ledger.glances(ENDED_SHOWN)]
        if not who.operator:
            for row in rows:
                row.client = None
        return answer(RequestList(requests=rows))

    async def cancel(request: Request) -> Response:
        job_id: str = request.path_params["request_id"]
        who: Principal = request.scope.get(PRINCIPAL, LOCAL)
        name = who.name or who.id
        try:
            # Whoever reads the list sees these words, and names of keys are the operators'.
            plane.stop(job_id, RequestCancelled("An operator cancelled this request."))
        except JobNotFound:
            if not _is_infer(jobs, job_id):
                raise
            await jobs.cancelled(job_id)  # it waits for something before its place in the queue
        _log.info("request cancelled", job=job_id, by=name)
        return answer(JobCancelled(job_id=job_id))

    return [
        Route("/v1/requests", listing, methods=["GET"]),
        Route("/v1/requests/{request_id}", cancel, methods=["DELETE"]),
    ]


def _is_infer(jobs: JobServer, job_id: str) -> bool:
    return any(
        job.id == job_id and job.operation == "infer" and not job.over for job in jobs.list()
    )
