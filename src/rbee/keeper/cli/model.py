"""``rbee model``: download, list, look at and delete models on a hive."""

from typing import Annotated

from cyclopts import App, Parameter

from rbee.contracts.jobs import ModelDelete, ModelDownload, ModelGet, ModelList
from rbee.contracts.models import Model
from rbee.errors import RemoteError
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.later import later
from rbee.keeper.cli.options import HiveFlag, HiveIdFlag, JsonFlag, QueenFlag
from rbee.keeper.hive_door import data_of, hive_door, told_when_cancelled
from rbee.keeper.screen import Live, note, out_json, out_table
from rbee.keeper.units import UNKNOWN, size_text

model_app = App(
    name="model", help_epilogue=examples("rbee model list", "rbee model download starter")
)
model_app.command(later, name="search", show=False)

ModelArgument = Annotated[
    str, Parameter(help="`starter`, `org/repo`, `org/repo:file.gguf`, an alias or a file's path.")
]


@model_app.command(
    help_epilogue=examples(
        "rbee model download starter",
        "rbee model download llama-3-8b",
        "rbee model download Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        "rbee model download /models/mine.gguf      use a file where it is",
    )
)
async def download(
    model: ModelArgument,
    /,
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Download a model to a hive; goes on where an earlier download stopped."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        with (
            told_when_cancelled(
                "Cancelled. What has arrived is kept: the same command goes on from there."
            ),
            Live() as live,
        ):
            events = await door.run(ModelDownload(model=model), live, what=f"downloading {model}")
    found = data_of(events, "model_download_complete", Model)
    if json:
        out_json(found[-1] if found else None)
    elif found:
        ready = found[-1]
        note(f"{ready.id} is here ({size_text(ready.size_bytes)}).")
        note(f'  → rbee infer -m {ready.id} "Say hi"')
    else:
        note(events[-1].message if events else f"{model} is here.")


@model_app.command(name="list", help_epilogue=examples("rbee model list", "rbee model list --json"))
async def list_models(
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """List the models on a hive."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        events = await door.run(ModelList(), Live(quiet=True))
    models = data_of(events, "model_list_entry", Model)
    if json:
        out_json(models)
        return
    out_table(
        ("id", "size", "quant", "context", "status", "loaded"),
        [_row(model) for model in models],
        empty="No models yet. `rbee model download starter` fetches a small first one.",
    )


@model_app.command(help_epilogue=examples("rbee model get starter"))
async def get(
    model: ModelArgument,
    /,
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Show all that is known of one model."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        events = await door.run(ModelGet(model=model), Live(quiet=True))
    found = data_of(events, "model_get_details", Model)
    if not found:
        raise RemoteError(f"The hive said nothing about {model}.")
    if json:
        out_json(found[-1])
        return
    out_table(("field", "value"), _details(found[-1]), empty="")


@model_app.command(help_epilogue=examples("rbee model delete starter"))
async def delete(
    model: ModelArgument,
    /,
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Delete a model's files from a hive; a model that is loaded is refused."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        events = await door.run(ModelDelete(model=model), Live(quiet=True))
    if json:
        out_json({"deleted": model})
    else:
        note(events[-1].message if events else f"{model} is deleted.")


def _row(model: Model) -> tuple[str, ...]:
    return (
        model.id,
        size_text(model.size_bytes),
        model.quantization or UNKNOWN,
        str(model.context_length) if model.context_length else UNKNOWN,
        model.status,
        "yes" if model.loaded else "no",
    )


def _details(model: Model) -> list[tuple[str, str]]:
    rows = [
        ("id", model.id),
        ("name", model.name),
        ("other names", ", ".join(model.aliases)),
        ("size", size_text(model.size_bytes)),
        ("status", model.status),
        ("loaded", "yes" if model.loaded else "no"),
        ("quantization", model.quantization or ""),
        ("architecture", model.architecture or ""),
        ("context", f"{model.context_length} tokens" if model.context_length else ""),
        ("chat template", {True: "yes", False: "no", None: ""}[model.chat_template]),
        ("embedding", {True: "yes", False: "no", None: ""}[model.embedding]),
        ("sha256", model.sha256 or ""),
        ("source", model.source or ""),
        ("reason", model.reason or ""),
    ]
    return [(name, value) for name, value in rows if value]
