"""``rbee model copy``: have a model of one hive on another one too.

The queen is asked: she knows the hives, and tells the one that gets it where to take it
from. The bytes go from hive to hive, not through this machine.
"""

from typing import Annotated, Final

from cyclopts import Parameter

from rbee.contracts.jobs import ModelCopy
from rbee.contracts.models import Model
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import JsonFlag, QueenFlag
from rbee.keeper.clients import queen_client
from rbee.keeper.hive_door import Door, data_of, told_when_cancelled
from rbee.keeper.screen import Live, note, out_json
from rbee.keeper.units import size_text

COPY_EXAMPLES: Final = examples(
    "rbee model copy llama-3-8b --to gaming-pc      from whichever hive has it",
    "rbee model copy mine --from laptop --to gaming-pc",
)


async def copy(
    model: Annotated[str, Parameter(help="A model that a hive of the colony has, by any name.")],
    /,
    *,
    to: Annotated[str, Parameter(help="The hive that shall have it too, by its id.")],
    from_: Annotated[
        str | None,
        Parameter(name="--from", help="The hive to copy it from; else the nearest that has it."),
    ] = None,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Copy a model from one hive to another; goes on where an earlier copy stopped."""
    operation = ModelCopy(model=model, to_hive=to, from_hive=from_)
    async with queen_client(queen) as client:
        with (
            told_when_cancelled(
                "Cancelled. What has arrived is kept: the same command goes on from there."
            ),
            Live() as live,
        ):
            door = Door(client.jobs, None)
            events = await door.run(operation, live, what=f"copying {model} to {to}")
    found = data_of(events, "model_copy_complete", Model)
    if json:
        out_json(found[-1] if found else None)
    elif found:
        note(f"{found[-1].id} is on {to} ({size_text(found[-1].size_bytes)}).")
