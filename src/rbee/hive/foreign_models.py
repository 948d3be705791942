"""Models that no file of the catalogue stands for.

A server behind a relay has its own, a configured command may only want a name,
and vLLM loads a folder of the operator's. They exist in the colony as long as a
worker serves them; ``operations`` asks here before it looks for a file.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from rbee.contracts.models import Model
from rbee.hive.engines.engine import Engine
from rbee.hive.workers.roster import Roster

FOLDER: Final = "folder"
NAME: Final = "name"


def foreign(name: str, engine: Engine) -> Model | None:
    """The model of that name for an engine that loads no catalogue's file; None: it does."""
    if engine.takes == "name":
        return _model(name, source=NAME)
    if engine.takes == "folder" and Path(name).is_absolute() and Path(name).is_dir():
        return _model(name, source=FOLDER)
    return None


def is_foreign(model: Model) -> bool:
    """Whether the catalogue has no file for it."""
    return model.source in {FOLDER, NAME}


def path_of(model: Model) -> str | None:
    """What a foreign model's engine loads: its folder; null for a name."""
    return model.id if model.source == FOLDER else None


def foreign_rows(roster: Roster, listed: Collection[str]) -> list[Model]:
    """Those that workers serve now, besides the ``listed`` ones."""
    rows: dict[str, Model] = {}
    names = roster.loaded() - set(listed)
    for worker in roster.by_id.values():
        name = worker.state.spec.model
        model = foreign(name, worker.engine) if name in names else None
        if model is not None:
            model.loaded = True
            rows[name] = model
    return list(rows.values())


def _model(name: str, *, source: str) -> Model:
    return Model(id=name, name=name, size_bytes=0, chat_template=True, source=source)
