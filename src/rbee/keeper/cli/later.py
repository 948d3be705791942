"""Commands that are planned and not there yet: they say so instead of "unknown command"."""

from typing import Annotated

from cyclopts import Parameter

from rbee import __version__
from rbee.errors import NotYet

Anything = Annotated[str, Parameter(allow_leading_hyphen=True, show=False)]


def later(*_words: Anything) -> None:
    """Not in this version yet.

    Raises:
        NotYet: always.
    """
    raise NotYet(
        f"This command is not in version {__version__} yet.",
        remedy="`rbee --help` lists what is there; CHANGELOG.md says what is new in each version.",
    )
