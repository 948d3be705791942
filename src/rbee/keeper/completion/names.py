"""Names of the colony, for completion: asked at once, and given up on soon.

Nothing is started and nothing is said when the colony does not answer.
"""

import time
from typing import Final

import anyio

from rbee.client.keys import KeyClient
from rbee.client.queen import QueenClient
from rbee.contracts.aliases import STARTER, known_names
from rbee.errors import RbeeError
from rbee.keeper.clients import queen_client
from rbee.keeper.completion.tree import Kind
from rbee.keeper.glance import ask_glance
from rbee.keeper.units import duration_text

ASK_S: Final = 1.0  # a Tab that hangs longer is pressed again
_JOBS_SHOWN_MAX: Final = 30  # the newest: nobody completes an id among thousands


async def colony_names(kind: Kind, queen: str | None) -> dict[str, str]:
    """Names of this kind with what they are; those known without a colony if none answers."""
    found = dict.fromkeys([STARTER, *known_names()], "") if kind == "sources" else {}
    found |= {"queen": "", "hive": ""} if kind == "logs" else {}
    with anyio.move_on_after(ASK_S):
        try:
            async with queen_client(queen) as client:
                found |= await _asked(kind, client)
        except RbeeError:
            pass  # completion is no place for problems: the command itself will say it
    return found


async def _asked(kind: Kind, client: QueenClient) -> dict[str, str]:
    match kind:
        case "models" | "sources":
            models = await client.models()
            return {model.id: model.rbee.state for model in models}
        case "hives":
            return {hive.hive_id: hive.state for hive in (await ask_glance(client)).hives}
        case "workers" | "logs":
            rows = (await ask_glance(client)).workers
            return {row.worker.worker_id: f"{row.worker.model} on {row.hive_id}" for row in rows}
        case "keys":
            keys = await KeyClient(client.transport).list()
            return {key.name: ", ".join(key.scopes) for key in keys}
        case "jobs":
            rows = (await client.requests())[:_JOBS_SHOWN_MAX]
            ages = [duration_text(time.time() - row.since) for row in rows]
            return {
                row.job_id: f"{row.model} {row.state}, {age} ago"
                for row, age in zip(rows, ages, strict=True)
            }
        case _:
            return {}
