"""A maker's Python module, asked by name.

Drivers, libraries and cards differ in what they answer, so every question may
fail alone and is unknown then. The module is an argument: recordings replay as
an object with the same names.
"""

from typing import cast

_ODD = (AttributeError, TypeError, ValueError)  # a version without it, or words of no encoding


class Library:
    """A module of the outside; ``error`` names its exception class."""

    def __init__(self, module: object, error: str) -> None:
        self._module = module
        self.error = cast("type[Exception]", getattr(module, error, OSError))

    def must(self, question: str, *arguments: object) -> object:
        """Ask what has to be answered.

        Raises:
            Exception: of the class ``error``, when the library refuses.
        """
        try:
            return getattr(self._module, question)(*arguments)
        except _ODD as odd:
            raise self.error(f"{question}: {odd}") from None

    def ask(self, question: str, *arguments: object) -> object:
        """Ask what may be unknown: None then."""
        try:
            return getattr(self._module, question)(*arguments)
        except (self.error, *_ODD):
            return None

    def constant(self, *names: str) -> object:
        """A value of the module, by its path; None where this version has none."""
        found = self._module
        for name in names:
            found = getattr(found, name, None)
        return found
