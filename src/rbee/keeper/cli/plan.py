"""``rbee plan MODEL``: where it would run, how soon, and at whose cost. Nothing is done."""

from typing import Annotated

from cyclopts import App, Parameter

from rbee.client.queen import QueenClient
from rbee.contracts.plan import Plan, PlanOption
from rbee.foundation.trust import key_for
from rbee.keeper.addresses import address_of
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import JsonFlag, QueenFlag
from rbee.keeper.screen import out, out_json, out_table
from rbee.keeper.units import UNKNOWN, duration_text, size_text

plan_app = App(
    name="plan",
    help_epilogue=examples(
        "rbee plan starter", "rbee plan llama-3-8b --prefer gaming-pc", "rbee plan starter --json"
    ),
)

_UNKNOWN_WORDS = "unknown"  # in a sentence a dash would read as nothing
_SOURCES = {
    "measured": "measured there",
    "measured_elsewhere": "measured on other hives",
    "estimated": "estimated by its other loads",
}


@plan_app.default
async def plan(
    model: Annotated[str, Parameter(help="The model, by any of its names.")],
    /,
    *,
    prefer: Annotated[
        str | None, Parameter(help="The hive that is wished for; another one serves if need be.")
    ] = None,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """What a request for a model would lead to: where, how soon, what gives way. Does nothing."""
    url = address_of("queen", queen).url
    async with QueenClient(url, key=key_for(url)) as client:
        found = await client.plan(model, hive_id=prefer)
    if json:
        out_json(found)
        return
    _print(found)


def _print(found: Plan) -> None:
    out(found.message)
    for reason in found.why:
        out(f"  {reason}")
    if found.outcome in {"spawn", "evict", "coming"}:
        out(f"  ready in: {_ready(found)}")
    if found.outcome in {"spawn", "evict"}:
        out(f"  to download: {_download(found.download_bytes)}")
    if found.remedy is not None:
        out(f"  → {found.remedy}")
    if found.evict:
        out("")
        out_table(
            ("gives way", "model", "hive", "frees", "idle", "loads again in"),
            [
                (
                    one.worker_id,
                    one.model,
                    one.hive_id,
                    size_text(one.size_bytes),
                    "in use" if one.in_use else duration_text(one.idle_s),
                    duration_text(one.load_s),
                )
                for one in found.evict
            ],
            empty="",
        )
    out("")
    out_table(
        ("hive", "device", "use", "needs", "free", "download", "loads in", "why"),
        [_row(option) for option in found.options],
        empty="No hive has joined. `rbee hive start` starts the one of this machine.",
    )


def _row(option: PlanOption) -> tuple[str, ...]:
    mark = "chosen" if option.chosen else "able" if option.able else "no"
    return (
        option.hive_id,
        option.device or UNKNOWN,
        mark,
        size_text(option.needed_bytes),
        size_text(option.free_bytes),
        size_text(option.download_bytes),
        duration_text(option.load_s),
        option.reason,
    )


def _ready(found: Plan) -> str:
    if found.ready_in_s is None:
        return _UNKNOWN_WORDS
    source = f" ({_SOURCES[found.ready_source]})" if found.ready_source is not None else ""
    return f"{duration_text(found.ready_in_s)}{source}"


def _download(size_bytes: int | None) -> str:
    if size_bytes is None:
        return _UNKNOWN_WORDS
    return size_text(size_bytes) if size_bytes else "nothing"
