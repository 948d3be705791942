"""A model's name that nobody knows: say which known one was probably meant."""

import difflib
from collections.abc import Iterable

from rbee.client.queen import QueenClient
from rbee.contracts.aliases import known_names
from rbee.errors import ModelNotFound, RbeeError

_CLOSE_ENOUGH = 0.6  # difflib's own default: a typing error or two in a word of ten letters
_SHOWN_MAX = 3  # more would be a list, and there are commands for lists


def with_close_names(error: ModelNotFound, name: str, known: Iterable[str]) -> ModelNotFound:
    """The same error, with the names that look like ``name`` in its message."""
    by_key = {found.casefold(): found for found in [*known_names(), *known]}
    by_key.pop(name.casefold(), None)
    keys = difflib.get_close_matches(
        name.casefold(), list(by_key), n=_SHOWN_MAX, cutoff=_CLOSE_ENOUGH
    )
    if not keys:
        return error
    close = " or ".join(f"`{by_key[key]}`" for key in keys)
    return ModelNotFound(f"{error.message} Did you mean {close}?", remedy=error.remedy)


async def names_of_queen(client: QueenClient) -> list[str]:
    """All names of the colony's models; none when she does not say."""
    try:
        models = await client.models()
    except RbeeError:
        return []
    return [name for model in models for name in (model.id, *model.rbee.aliases)]
