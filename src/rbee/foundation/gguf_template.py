"""What a chat template can do, told from marks in its text. Called by ``gguf``.

A template is a program from the internet: it is read here and never run. A mark
that is there is believed; where the text does not settle the question, or there
is no template, the answer is null.
"""

import re
from typing import Final

from rbee.foundation.gguf_pairs import Pairs

TEMPLATE_KEY: Final = "tokenizer.chat_template"
_TOOL_TEMPLATE_KEY: Final = f"{TEMPLATE_KEY}.tool_use"  # a second template, for tools alone
_TOOLS: Final = re.compile(r"\btools\b|\btool_calls\b")
_SYSTEM: Final = re.compile(r"""['"]system['"]""")
_NO_SYSTEM: Final = re.compile(
    r"raise_exception\(\s*['\"](?:[^'\"]{0,40}\bsystem\b[^'\"]{0,40}\bnot (?:supported|allowed)"
    r"|[^'\"]{0,40}\bnot support\b[^'\"]{0,40}\bsystem\b)",
    re.IGNORECASE,
)


def knows_tools(pairs: Pairs) -> bool | None:
    """Whether the template is given tools; null without a readable template."""
    if pairs.has(_TOOL_TEMPLATE_KEY):
        return True
    text = pairs.string(TEMPLATE_KEY)
    return None if text is None else bool(_TOOLS.search(text))


def knows_system_role(pairs: Pairs) -> bool | None:
    """Whether the template takes a system message; null when it does not name the role.

    A template that names it only to refuse it (``raise_exception``) takes none. One
    that puts any role into its text without naming one may or may not work.
    """
    text = pairs.string(TEMPLATE_KEY)
    if text is None:
        return None
    if _NO_SYSTEM.search(text):
        return False
    return True if _SYSTEM.search(text) else None
