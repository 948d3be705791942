"""What wire.md describes and this version does not deliver: 501, never a bare 404.

A client learns that the path is right and the version too old. Take a line out
when its issue delivers it.
"""

from typing import Final

from rbee.queen.api.dialects import PREFIXES

_OPENAI: Final = (
    ("POST", "audio/transcriptions"),
    ("POST", "audio/speech"),
    ("POST", "images/generations"),
)

LINES: Final[tuple[tuple[str, str], ...]] = tuple(
    (method, f"{prefix}{path}") for prefix in PREFIXES for method, path in _OPENAI
)
"""(method, path) pairs for ``not_yet_routes``."""
