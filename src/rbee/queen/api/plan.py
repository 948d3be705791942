"""``GET /v1/plan``: what a request for a model would lead to. Nothing is done."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee.contracts.models import Model
from rbee.errors import InvalidRequest, RbeeError
from rbee.foundation.http.answers import answer
from rbee.queen.lines import HiveLines
from rbee.queen.reconciler import Reconciler
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.liveness import may_spawn
from rbee.queen.scheduling.options import is_fetchable

OFFER_WITHIN_S: Final = 10.0  # a listing and a header of a slow hub; a person waits for it


def plan_routes(colony: Colony, reconciler: Reconciler, lines: HiveLines) -> list[Route]:
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
        offered = await _offered(model, colony, lines)
        return answer(reconciler.plan(model, hive_id=wish, offered=offered))

    return [Route("/v1/plan", plan, methods=["GET"])]


async def _offered(model: str, colony: Colony, lines: HiveLines) -> Model | None:
    """What a model that no hive has would be, as one hive finds it at its source; None: unknown."""
    if colony.resolve(model) is not None or not is_fetchable(model):
        return None
    hives = [hive for hive in colony.hives() if may_spawn(hive.state)]
    if not hives:
        return None
    asked = next((hive for hive in hives if hive.local), hives[0])
    try:
        line = lines.to(asked.url, str(asked.id))
        return await line.offer(model, timeout_s=OFFER_WITHIN_S)
    except RbeeError:
        return None  # the plan is the same, without figures
