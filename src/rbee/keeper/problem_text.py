"""An error as a person sees it, and back.

A daemon that cannot start writes its error to its log in this form, and
``daemons`` reads it from there: so ``rbee queen start`` says what ``rbee queen
run`` would have said. The rule: what is wrong first, then what to do.
"""

import re

from rbee.errors import RbeeError

_WHAT = "rbee: "
_REMEDY = "  → "
_BLOCK = re.compile(rf"^{_WHAT}(?P<what>[^\n]+)(?:\n{_REMEDY}(?P<remedy>[^\n]+))?", re.MULTILINE)


def render_problem(error: RbeeError) -> str:
    """What is wrong, then what to do; further lines of either are indented."""
    what = f"{_WHAT}{_indented(error.message)}"
    return f"{what}\n{_REMEDY}{_indented(error.remedy)}" if error.remedy else what


def last_problem(log: str) -> tuple[str, str | None] | None:
    """The last (message, remedy) in a log, or None when there is none."""
    blocks = list(_BLOCK.finditer(log))
    return (blocks[-1]["what"], blocks[-1]["remedy"]) if blocks else None


def _indented(text: str) -> str:
    return text.strip().replace("\n", "\n    ")
