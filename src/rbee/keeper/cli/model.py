"""``rbee model``: search, download (and pause), copy, list, look at, pin and delete models on a hive."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from rbee.contracts.jobs import ModelDelete, ModelDownload, ModelGet, ModelList, ModelPin
from rbee.contracts.models import Model
from rbee.errors import RemoteError
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.model_copy import COPY_EXAMPLES, copy
from rbee.keeper.cli.model_queue import (
    CANCEL_EXAMPLES,
    PAUSE_EXAMPLES,
    RESUME_EXAMPLES,
    cancel,
    pause,
    resume,
)
from rbee.keeper.cli.model_search import SEARCH_EXAMPLES, search
from rbee.keeper.cli.options import HiveFlag, HiveIdFlag, JsonFlag, QueenFlag
from rbee.keeper.hive_door import Door, data_of, hive_door, told_when_cancelled
from rbee.keeper.screen import Live, note, out_json, out_table
from rbee.keeper.units import UNKNOWN, size_text

model_app = App(
    name="model", help_epilogue=examples("rbee model list", "rbee model download starter")
)
model_app.command(search, help_epilogue=SEARCH_EXAMPLES)
model_app.command(copy, help_epilogue=COPY_EXAMPLES)
model_app.command(pause, help_epilogue=PAUSE_EXAMPLES)
model_app.command(resume, help_epilogue=RESUME_EXAMPLES)
model_app.command(cancel, help_epilogue=CANCEL_EXAMPLES)

ModelArgument = Annotated[
    str, Parameter(help="`starter`, `org/repo`, `org/repo:file.gguf`, an alias or a file's path.")
]


_YES_NO: Final = {True: "yes", False: "no", None: ""}


@model_app.command(
    help_epilogue=examples(
        "rbee model download starter",
        "rbee model download llama-3-8b",
        "rbee model download Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        "rbee model download Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q5_K_M      this quality",
        "rbee model download /models/mine.gguf      use a file where it is",
        "rbee model download ./folder      use every model of a folder where it is",
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
            operation = ModelDownload(model=_absolute(model))
            events = await door.run(operation, live, what=f"downloading {model}")
    found = data_of(events, "model_download_complete", Model)
    if json:
        out_json(found if len(found) > 1 else found[0] if found else None)
    elif found:
        for ready in found:
            note(f"{ready.id} is here ({size_text(ready.size_bytes)}).")
        note(f'  → rbee infer -m {found[-1].id} "Say hi"')
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
        ("id", "size", "quant", "context", "status", "loaded", "pinned"),
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


@model_app.command(help_epilogue=examples("rbee model pin starter"))
async def pin(
    model: ModelArgument,
    /,
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Keep a model on a hive, whatever its quota for models says."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        await _pin(door, ModelPin(model=model, pinned=True), json=json)


@model_app.command(help_epilogue=examples("rbee model unpin starter"))
async def unpin(
    model: ModelArgument,
    /,
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Let a model be removed again when its hive wants room."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        await _pin(door, ModelPin(model=model, pinned=False), json=json)


async def _pin(door: Door, operation: ModelPin, *, json: bool) -> None:
    events = await door.run(operation, Live(quiet=True))
    found = data_of(events, "model_pin_complete", Model)
    if json:
        out_json(found[-1] if found else None)
    elif events:
        note(events[-1].message)


def _absolute(name: str) -> str:
    """A path as the hive can read it: it runs in another folder. Names stay as they are."""
    if name.startswith(("./", "../", "~")) or name in {".", ".."}:
        return str(Path(name).expanduser().absolute())
    return name


def _moment(at: float | None) -> str:
    if at is None:
        return ""
    return datetime.fromtimestamp(at).astimezone().isoformat(" ", "minutes")


def _row(model: Model) -> tuple[str, ...]:
    return (
        model.id,
        size_text(model.size_bytes),
        model.quantization or UNKNOWN,
        str(model.context_length) if model.context_length else UNKNOWN,
        model.status,
        "yes" if model.loaded else "no",
        "yes" if model.pinned else "no",
    )


def _details(model: Model) -> list[tuple[str, str]]:
    rows = [
        ("id", model.id),
        ("name", model.name),
        ("other names", ", ".join(model.aliases)),
        ("size", size_text(model.size_bytes)),
        ("status", model.status),
        ("loaded", "yes" if model.loaded else "no"),
        ("pinned", "yes" if model.pinned else "no"),
        ("last used", _moment(model.last_used_at)),
        ("quantization", model.quantization or ""),
        ("architecture", model.architecture or ""),
        ("context", f"{model.context_length} tokens" if model.context_length else ""),
        ("chat template", _YES_NO[model.chat_template]),
        ("tools", _YES_NO[model.tools]),
        ("system role", _YES_NO[model.system_role]),
        ("embedding", _YES_NO[model.embedding]),
        ("sha256", model.sha256 or ""),
        ("source", model.source or ""),
        ("reason", model.reason or ""),
    ]
    return [(name, value) for name, value in rows if value]
