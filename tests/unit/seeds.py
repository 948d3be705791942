"""Seeds of made-up crowds: a few each time, the rest where ``--thorough`` is asked for."""

from collections.abc import Sequence

import pytest
from _pytest.mark import ParameterSet


def seeds(few: int, *, of: int) -> Sequence[int | ParameterSet]:
    """The first ``few`` of ``of`` seeds as they are; the others are marked ``thorough``."""
    more = [pytest.param(seed, marks=pytest.mark.thorough) for seed in range(few, of)]
    return [*range(few), *more]
