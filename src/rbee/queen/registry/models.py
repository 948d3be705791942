"""The colony's models: one row per id over all hives, and the names that lead to them.

Built anew from the hives' beats whenever one of them changed its catalogue or its
workers; never stored.
"""

from collections.abc import Iterable, Mapping

import msgspec

from rbee.contracts.aliases import ModelSource, parse_repository, resolve_alias
from rbee.contracts.ids import HiveId, ModelId
from rbee.contracts.models import Model
from rbee.contracts.openai import ModelObject, ModelPlace
from rbee.contracts.workers import COMING, SERVING
from rbee.queen.registry.hives import HiveEntry


class ModelRow(msgspec.Struct, kw_only=True):
    """A model of the colony. ``facts`` is what the first hive that has it says of it."""

    id: ModelId
    facts: Model
    aliases: list[str]
    hives: list[HiveId] = msgspec.field(default_factory=list[HiveId])
    workers: list[str] = msgspec.field(default_factory=list[str])
    serving: bool = False
    loading: bool = False
    failed: bool = False


def gather(hives: Iterable[HiveEntry]) -> dict[ModelId, ModelRow]:
    """One row per model id, from catalogues and from workers whose model no catalogue lists."""
    rows: dict[ModelId, ModelRow] = {}
    for hive in hives:
        for model in hive.models or ():
            row = _row(rows, model)
            row.hives.append(hive.id)
            row.aliases += [name for name in model.aliases if name not in row.aliases]
            if row.facts.status != "available" and model.status == "available":
                row.facts = model
        for worker in hive.workers.values():
            stats = worker.stats
            row = _row(rows, Model(id=stats.model, name=stats.model))
            row.workers.append(stats.worker_id)
            row.serving |= stats.status in SERVING
            row.loading |= stats.status in COMING
            row.failed |= stats.status == "error"
    return rows


def index_names(rows: Mapping[ModelId, ModelRow]) -> dict[str, ModelId]:
    """Every name, in lower case, to its model: ids win over aliases, aliases over file names."""
    index: dict[str, ModelId] = {}
    for row in rows.values():
        index.setdefault(row.id.casefold(), row.id)
    for row in rows.values():
        for name in row.aliases:
            index.setdefault(name.casefold(), row.id)
    for row in rows.values():
        index.setdefault(row.facts.name.casefold(), row.id)
    return index


def find_by_source(name: str, rows: Mapping[ModelId, ModelRow]) -> ModelId | None:
    """The model that a known alias or ``org/repo[:file|:QUANT]`` stands for, if a hive has it.

    Where several files of the repository are here, one of the named quality wins,
    then the first by id.
    """
    source = resolve_alias(name) or parse_repository(name)
    if source is None:
        return None
    fitting = sorted(row.id for row in rows.values() if _comes_from(row, source))
    if source.quantization is None:
        return fitting[0] if fitting else None
    wanted = source.quantization.casefold()
    for model_id in fitting:
        if (rows[model_id].facts.quantization or "").casefold() == wanted:
            return model_id
    # A quality that was asked for by name is no suggestion; an alias's own is.
    asked = parse_repository(name)
    if asked is not None and asked.quantization is not None:
        return None
    return fitting[0] if fitting else None


def as_object(row: ModelRow, *, created: int) -> ModelObject:
    """The row as OpenAI's model object."""
    state = row.facts.status
    place = ModelPlace(
        hives=[str(hive) for hive in row.hives],
        workers=row.workers,
        state="error" if state == "corrupt" else state,
        size_bytes=row.facts.size_bytes,
        aliases=row.aliases,
    )
    if row.serving:
        place.state = "ready"
    elif row.loading:
        place.state = "loading"
    elif row.failed:
        place.state = "error"
    return ModelObject(id=row.id, created=created, rbee=place)


def _row(rows: dict[ModelId, ModelRow], model: Model) -> ModelRow:
    key = ModelId(model.id)
    if key not in rows:
        rows[key] = ModelRow(id=key, facts=model, aliases=[])
    return rows[key]


def _comes_from(row: ModelRow, source: ModelSource) -> bool:
    if source.kind == "package":
        return row.id.casefold() == "starter"
    repo, _, file = row.id.partition(":")
    if repo.casefold() != source.repo.casefold():
        return False
    return source.file is None or file.casefold() == source.file.casefold()
