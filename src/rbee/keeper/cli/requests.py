"""``rbee requests``: what waits and runs in the colony, and an end for one of them."""

import time
from typing import Annotated

from cyclopts import App, Parameter

from rbee.contracts.state import RequestRow
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import JsonFlag, QueenFlag
from rbee.keeper.clients import queen_client
from rbee.keeper.screen import note, out_json, out_table
from rbee.keeper.units import UNKNOWN, duration_text

requests_app = App(
    name="requests",
    help_epilogue=examples("rbee requests list", "rbee requests cancel job-4f1d8c2200000007"),
)

_OPEN = frozenset({"waiting", "running"})


@requests_app.command(
    name="list",
    help_epilogue=examples("rbee requests list", "rbee requests list --all --json"),
)
async def list_requests(
    *,
    all: Annotated[
        bool,
        Parameter(name="--all", help="Those that ended too, the last 200.", show_default=False),
    ] = False,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """List the requests that wait or run: place in the queue, worker, client."""
    async with queen_client(queen) as client:
        found = await client.requests()
    rows = [row for row in found if all or row.state in _OPEN]
    if json:
        out_json(rows)
        return
    now = time.time()
    out_table(
        ("request", "state", "model", "place", "eta", "time", "client", "worker", "why"),
        [request_cells(row, now) for row in rows],
        empty="No request waits or runs. `rbee requests list --all` shows those that ended.",
    )


@requests_app.command(help_epilogue=examples("rbee requests cancel job-4f1d8c2200000007"))
async def cancel(
    request: Annotated[str, Parameter(help="The request's id (`rbee requests list`).")],
    /,
    *,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Cancel anybody's request; its client is told that an operator did it."""
    async with queen_client(queen) as client:
        done = await client.cancel_request(request)
    if json:
        out_json(done)
    else:
        note(f"{done.job_id} is cancelled.")


def request_cells(row: RequestRow, now: float) -> tuple[str, ...]:
    """A request's cells: id, state, model, place, ETA, time, client, worker, why."""
    return (
        row.job_id,
        row.state,
        row.model,
        UNKNOWN if row.position is None else str(row.position),
        duration_text(row.eta_s),
        duration_text((row.ended_at or now) - row.since),
        row.client or UNKNOWN,
        row.worker_id or UNKNOWN,
        row.reason or UNKNOWN,
    )
