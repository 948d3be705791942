"""``rbee model pause``, ``resume`` and ``cancel``: what becomes of a download that is on its way."""

from typing import Annotated, Final

from cyclopts import Parameter

from rbee.contracts.jobs import ModelCancel, ModelPause, ModelResume
from rbee.contracts.models import Download, Model
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import HiveFlag, HiveIdFlag, JsonFlag, QueenFlag
from rbee.keeper.hive_door import data_of, hive_door, told_when_cancelled
from rbee.keeper.screen import Live, note, out_json
from rbee.keeper.units import size_text

PAUSE_EXAMPLES: Final = examples("rbee model pause Qwen/Qwen2.5-0.5B-Instruct-GGUF:q4_k_m.gguf")
RESUME_EXAMPLES: Final = examples("rbee model resume Qwen/Qwen2.5-0.5B-Instruct-GGUF:q4_k_m.gguf")
CANCEL_EXAMPLES: Final = examples("rbee model cancel Qwen/Qwen2.5-0.5B-Instruct-GGUF:q4_k_m.gguf")

DownloadArgument = Annotated[
    str, Parameter(help="A model on its way, by its id or name (`rbee model list`).")
]


async def pause(
    model: DownloadArgument,
    /,
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Stop a download and keep what has arrived; it stays paused until you resume it."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        events = await door.run(ModelPause(model=model), Live(quiet=True))
    found = data_of(events, "model_pause_complete", Download)
    if json:
        out_json(found[-1] if found else None)
    elif events:
        note(events[-1].message)
        note(f"  → rbee model resume {found[-1].model if found else model}")


async def resume(
    model: DownloadArgument,
    /,
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Go on with a download that was paused, has failed or was cut."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        with (
            told_when_cancelled("Cancelled. What has arrived is kept: resume it again."),
            Live() as live,
        ):
            events = await door.run(ModelResume(model=model), live, what=f"downloading {model}")
    found = data_of(events, "model_download_complete", Model)
    if json:
        out_json(found[-1] if found else None)
    elif found:
        note(f"{found[-1].id} is here ({size_text(found[-1].size_bytes)}).")


async def cancel(
    model: DownloadArgument,
    /,
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Give a download up and delete what has arrived."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        events = await door.run(ModelCancel(model=model), Live(quiet=True))
    if json:
        out_json(events[-1].data if events else None)
    elif events:
        note(events[-1].message)
