"""``GET /v1/plan``: what a request for a model would lead to. Nothing is done."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee.errors import InvalidRequest
from rbee.foundation.http.answers import answer
from rbee.queen.reconciler import Reconciler
from rbee.queen.registry.colony import Colony


def plan_routes(colony: Colony, reconciler: Reconciler) -> list[Route]:
    """``/v1/plan?model=NAME[&hive_id=ID]``."""

    async def plan(request: Request) -> Response:
        model = request.query_params.get("model", "").strip()
        if not model:
            raise InvalidRequest(
                "`model` is missing in the query.",
                remedy="Ask GET /v1/plan?model=NAME.",
                param="model",
            )
        wish = request.query_params.get("hive_id", "").strip() or None
        if wish is not None:
            wish = str(colony.find_hive(wish).id)
        return answer(reconciler.plan(model, hive_id=wish))

    return [Route("/v1/plan", plan, methods=["GET"])]
