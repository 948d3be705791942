"""Which models a key opens: its patterns against the names that the colony gives a model.

Asked only for keys that have a list. What counts is what a name leads to: the model's id,
its repository, its aliases and its file, never the spelling that the client chose; a name
that nobody here knows yet (it would be fetched) is taken as it is. The refusal is the same
whether the model exists or not.
"""

from rbee.contracts.openai import ModelObject
from rbee.contracts.principals import Principal
from rbee.errors import Forbidden
from rbee.queen.registry.colony import Colony


def check_model(principal: Principal, name: str, colony: Colony, *, param: str = "model") -> None:
    """Refuse a model that is not on the principal's list.

    Raises:
        Forbidden: it is not.
    """
    if not principal.models:
        return
    model_id = colony.resolve(name)
    facts = None if model_id is None else colony.facts(model_id)
    names = [name] if model_id is None else _names(model_id)
    if facts is not None:
        names += [facts.name, *facts.aliases]
    if not principal.may_use(*names):
        raise Forbidden(
            f"The key {principal.name!r} may not use the model {name[:128]!r}.",
            remedy="`GET /v1/models` lists what it may use; the operator decides (`rbee keys`).",
            param=param,
        )


def may_see(principal: Principal, row: ModelObject) -> bool:
    """Whether a model stands in the principal's ``GET models``."""
    return principal.may_use(*_names(row.id), *row.rbee.aliases)


def _names(model_id: str) -> list[str]:
    """An id, and the repository that it is of."""
    return [model_id, model_id.partition(":")[0]]
