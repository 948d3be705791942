"""``rbee why JOB``: where a request went, whom else it could have gone to, and what happened."""

from typing import Annotated

from cyclopts import App, Parameter

from rbee.contracts.why import WhyDecision
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import JsonFlag, QueenFlag
from rbee.keeper.clients import queen_client
from rbee.keeper.screen import out, out_json, out_table
from rbee.keeper.why_text import candidate_row, headline, step_text

why_app = App(
    name="why", help_epilogue=examples("rbee why job-4f1d8c2200000007", "rbee why JOB --json")
)


@why_app.default
async def why(
    job: Annotated[
        str, Parameter(help="A job's id: of `/v1/jobs`, or the header X-Rbee-Job of an answer.")
    ],
    /,
    *,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Say why a request went where it went."""
    async with queen_client(queen) as client:
        found = await client.why(job)
    if json:
        out_json(found)
        return
    out(headline(found))
    for step in found.steps:
        out("")
        out(step_text(step, found.started_at))
        if step.decision is not None:
            _print_candidates(step.decision)


def _print_candidates(decision: WhyDecision) -> None:
    rows = sorted(decision.candidates, key=lambda one: not one.taken)
    out_table(
        ("", "worker", "hive", "slots", "score", "queue", "gpu", "note"),
        [candidate_row(row) for row in rows],
        empty="",
    )
