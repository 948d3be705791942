"""What wire.md describes and this version does not deliver: 501, never a bare 404.

A client learns that the path is right and the version too old. Take a line out
when its issue delivers it.
"""

from typing import Final

from rbee.queen.api.openai import PREFIXES

_OPENAI: Final = (
    ("POST", "rerank"),
    ("POST", "audio/transcriptions"),
    ("POST", "audio/speech"),
    ("POST", "images/generations"),
    ("POST", "responses"),
    ("POST", "messages"),
    ("POST", "messages/count_tokens"),
)

_CONTROL: Final = (
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/v1/ws"),
    ("GET", "/v1/state/stream"),
    ("GET", "/v1/hive/link"),
    ("GET", "/v1/jobs/{job_id}/why"),
)

LINES: Final[tuple[tuple[str, str], ...]] = (
    *((method, f"{prefix}{path}") for prefix in PREFIXES for method, path in _OPENAI),
    *_CONTROL,
)
"""(method, path) pairs for ``not_yet_routes``."""


def speaks_openai(path: str) -> bool:
    """Whether errors on ``path`` leave in OpenAI's shape although the door does not handle it."""
    if path.startswith("/openai/"):
        return True
    return any(path.startswith(f"/v1/{tail}") for tail in _OPENAI_TAILS)


_OPENAI_TAILS: Final = tuple(path for _method, path in _OPENAI)
