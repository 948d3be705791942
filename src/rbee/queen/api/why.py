"""Why a request went where it went: the ledger, for people and programs.

Every inference has an id, whichever door it came in by: ``X-Rbee-Job`` on the
OpenAI door's answers, ``job_id`` on ``/v1/jobs``.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee.foundation.http.answers import answer
from rbee.queen.inference.ledger import Ledger


def why_routes(ledger: Ledger) -> list[Route]:
    """``GET /v1/jobs/{job_id}/why``."""

    async def why(request: Request) -> Response:
        return answer(ledger.why(request.path_params["job_id"]))

    return [Route("/v1/jobs/{job_id}/why", why, methods=["GET"])]
