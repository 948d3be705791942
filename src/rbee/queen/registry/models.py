"""The colony's models: the names that lead to them, and one row per id over all hives.

Every request asks for a name, so ``ModelIndex`` is kept while beats come in: a hive
that joins with a model that others have costs a dictionary entry. Rows with places,
for people and listings, are gathered when somebody asks. Nothing is stored.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from rbee.contracts.aliases import ModelSource, parse_repository, resolve_alias
from rbee.contracts.ids import HiveId, ModelId
from rbee.contracts.models import Model
from rbee.contracts.openai import ModelObject, ModelPlace
from rbee.contracts.workers import COMING, SERVING
from rbee.queen.registry.hives import HiveEntry

_FOUND_MAX: Final = 10_000  # names that were looked up by their source: clients choose them


class Known(msgspec.Struct, kw_only=True):
    """A model as its names show it. ``facts`` is what the first hive that has it says of it."""

    id: ModelId
    facts: Model
    aliases: list[str]


class _Holders(msgspec.Struct):
    """Who has a model: catalogues by hive, and how many workers run it."""

    by_hive: dict[HiveId, Model] = msgspec.field(default_factory=dict[HiveId, Model])
    workers: int = 0


class ModelIndex:
    """Names to model ids over all hives; owned by ``Colony``."""

    def __init__(self) -> None:
        self._holders: dict[ModelId, _Holders] = {}
        self._known: dict[ModelId, Known] = {}  # what was summed up since it last changed
        self._names: dict[str, ModelId] | None = None
        self._found: dict[str, ModelId | None] = {}
        self.first_seen: dict[ModelId, int] = {}  # Unix seconds

    def put(self, hive_id: HiveId, before: list[Model], after: list[Model], stamp: int) -> None:
        """A hive's catalogue was ``before`` and is ``after``; ``stamp`` is its beat's time."""
        kept = {model.id for model in after}
        for model in before:
            if model.id not in kept:
                self._let_go(ModelId(model.id), hive_id)
        for model in after:
            model_id = ModelId(model.id)
            by_hive = self._hold(model_id, stamp).by_hive
            old = by_hive.get(hive_id)
            by_hive[hive_id] = model
            if old != model and not (old is None and self._says_nothing_new(model_id, model)):
                self._forget_summary(model_id)

    def add_worker(self, model: str, stamp: int) -> None:
        """A worker of this model exists now."""
        self._hold(ModelId(model), stamp).workers += 1

    def drop_worker(self, model: str) -> None:
        """A worker of this model is gone."""
        model_id = ModelId(model)
        self._holders[model_id].workers -= 1
        self._end_if_unheld(model_id)

    def resolve(self, name: str) -> ModelId | None:
        """The id that a name stands for: see ``Colony.resolve``."""
        names = self._names
        if names is None:
            names = self._names = index_names(self._all())
            self._found.clear()
        found = names.get(name)
        if found is not None:
            return found
        key = name.strip().casefold()
        found = names.get(key)
        if found is not None:
            return found
        if key not in self._found:
            if len(self._found) >= _FOUND_MAX:
                self._found.clear()
            self._found[key] = find_by_source(name, self._all())
        return self._found[key]

    def facts(self, model: str) -> Model | None:
        """What the catalogues say of a model id."""
        model_id = ModelId(model)
        return self._sum_up(model_id).facts if model_id in self._holders else None

    def _all(self) -> dict[ModelId, Known]:
        return {model_id: self._sum_up(model_id) for model_id in self._holders}

    def _sum_up(self, model_id: ModelId) -> Known:
        known = self._known.get(model_id)
        if known is None:
            known = Known(id=model_id, facts=Model(id=model_id, name=model_id), aliases=[])
            for place, model in enumerate(self._holders[model_id].by_hive.values()):
                _learn(known, model, first=place == 0)
            self._known[model_id] = known
        return known

    def _says_nothing_new(self, model_id: ModelId, model: Model) -> bool:
        """Whether one more hive has what all know already: ten thousand may join with it."""
        known = self._known.get(model_id)
        return (
            known is not None
            and known.facts.status == "available"
            and len(self._holders[model_id].by_hive) > 1
            and all(alias in known.aliases for alias in model.aliases)
        )

    def _hold(self, model_id: ModelId, stamp: int) -> _Holders:
        holders = self._holders.get(model_id)
        if holders is None:
            holders = self._holders[model_id] = _Holders()
            self.first_seen[model_id] = stamp
            self._names = None
        return holders

    def _let_go(self, model_id: ModelId, hive_id: HiveId) -> None:
        self._holders[model_id].by_hive.pop(hive_id, None)
        self._forget_summary(model_id)
        self._end_if_unheld(model_id)

    def _end_if_unheld(self, model_id: ModelId) -> None:
        holders = self._holders[model_id]
        if not holders.by_hive and not holders.workers:
            del self._holders[model_id]
            del self.first_seen[model_id]
            self._forget_summary(model_id)

    def _forget_summary(self, model_id: ModelId) -> None:
        self._known.pop(model_id, None)
        self._names = None


class ModelRow(Known, kw_only=True):
    """A model of the colony, with its places."""

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
            _learn(row, model, first=len(row.hives) == 1)
        for worker in hive.workers.values():
            stats = worker.stats
            row = _row(rows, Model(id=stats.model, name=stats.model))
            row.workers.append(stats.worker_id)
            row.serving |= stats.status in SERVING
            row.loading |= stats.status in COMING
            row.failed |= stats.status == "error"
    return rows


def index_names(rows: Mapping[ModelId, Known]) -> dict[str, ModelId]:
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


def find_by_source(name: str, rows: Mapping[ModelId, Known]) -> ModelId | None:
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


def _learn(known: Known, model: Model, *, first: bool) -> None:
    """One hive's word on a model; the first hive whose file is whole says its facts."""
    known.aliases += [name for name in model.aliases if name not in known.aliases]
    if first or (known.facts.status != "available" and model.status == "available"):
        known.facts = model


def _row(rows: dict[ModelId, ModelRow], model: Model) -> ModelRow:
    key = ModelId(model.id)
    if key not in rows:
        rows[key] = ModelRow(id=key, facts=model, aliases=[])
    return rows[key]


def _comes_from(row: Known, source: ModelSource) -> bool:
    if source.kind == "package":
        return row.id.casefold() == "starter"
    repo, _, file = row.id.partition(":")
    if repo.casefold() != source.repo.casefold():
        return False
    return source.file is None or file.casefold() == source.file.casefold()
