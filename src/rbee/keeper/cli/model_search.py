"""``rbee model search``: what the hub offers, asked through a hive.

The hive asks, because it has the token and knows what fits there; so this goes to
the hive itself (``--hive``), not through the queen.
"""

from typing import Annotated, Final

from cyclopts import Parameter

from rbee.client.hive import HiveClient
from rbee.contracts.models import OfferedFile, OfferedModel
from rbee.errors import InvalidRequest
from rbee.foundation.trust import key_for
from rbee.keeper.addresses import address_of
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import HiveFlag, JsonFlag
from rbee.keeper.screen import Live, note, out_json, out_table
from rbee.keeper.units import UNKNOWN, size_text

SEARCH_EXAMPLES: Final = examples("rbee model search qwen 0.5b", "rbee model search llama 8b --fit")
_QUANTIZATIONS_SHOWN_MAX: Final = 4  # a repository has up to thirty; the JSON has them all


async def search(
    *words: Annotated[str, Parameter(help="What to search for.")],
    limit: Annotated[int, Parameter(help="How many repositories, up to 50.")] = 10,
    fit: Annotated[
        bool,
        Parameter(help="Say what fits on the hive; reads each model's header.", show_default=False),
    ] = False,
    json: JsonFlag = False,
    hive: HiveFlag = None,
) -> None:
    """Search the hub for models, the most downloaded first."""
    if not "".join(words).strip():
        raise InvalidRequest(
            "There is nothing to search for.",
            remedy="Give a few words: `rbee model search llama 8b`.",
        )
    address = address_of("hive", hive)
    with Live() as live:
        live.say(f"asking the hub for {' '.join(words)}" + (", and what fits here" if fit else ""))
        async with HiveClient(address.url, key=key_for(address.url)) as client:
            found = await client.search(" ".join(words), limit=limit, fit=fit)
    if json:
        out_json(found)
        return
    headings = ("id", "downloads", "likes", "size", "quant", *(("fits",) if fit else ()))
    out_table(
        headings,
        [_row(model, fit=fit) for model in found.models],
        empty=f"Nothing with GGUF files is found for {found.query!r}.",
    )
    for model in found.models:
        if model.problem:
            note(f"{model.id}: {model.problem}")
    if found.models:
        note(f"  → rbee model download {found.models[0].id}")


def _row(model: OfferedModel, *, fit: bool) -> tuple[str, ...]:
    name = f"{model.id} (gated)" if model.gated else model.id
    row = (name, _count(model.downloads), _count(model.likes), _sizes(model), _qualities(model))
    return (*row, _fitting(model.files)) if fit else row


def _count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _sizes(model: OfferedModel) -> str:
    low, high = size_text(model.size_bytes_min), size_text(model.size_bytes_max)
    return low if low == high else f"{low} to {high}"


def _qualities(model: OfferedModel) -> str:
    shown = model.quantizations[:_QUANTIZATIONS_SHOWN_MAX]
    more = len(model.quantizations) - len(shown)
    return (", ".join(shown) or UNKNOWN) + (f" and {more} more" if more > 0 else "")


def _fitting(files: list[OfferedFile]) -> str:
    """The largest file that surely fits."""
    judged = [file for file in files if file.fits is not None]
    fitting = [file for file in judged if file.fits == "yes"]
    if not judged:
        return UNKNOWN
    if not fitting:
        return "not sure" if any(file.fits == "unknown" for file in judged) else "no"
    best = max(fitting, key=lambda file: file.size_bytes or 0)
    return f"up to {best.quantization or best.path}"
