"""Every route of the published interface: rows of ``wire.table``, which says what they mean."""

from typing import Literal, NamedTuple

from wire.hive_rows import CARE, HIVES

DELIVERED = 5

Server = Literal["queen", "hive"]


class Route(NamedTuple):
    """One method on one path of one server."""

    server: Server
    method: str
    path: str
    step: int
    fixed: bool = False


def _both(method: str, path: str, step: int, *, fixed: bool = False) -> list[Route]:
    return [Route("queen", method, path, step, fixed), Route("hive", method, path, step, fixed)]


_OPENAI = [
    ("POST", "chat/completions", 2, True),
    ("POST", "completions", 2, False),
    ("POST", "embeddings", 2, False),
    ("POST", "rerank", 4, False),
    ("POST", "responses", 4, False),
    ("POST", "audio/transcriptions", 7, False),
    ("POST", "audio/speech", 7, False),
    ("POST", "images/generations", 7, False),
    ("GET", "models", 2, True),
    ("GET", "models/{model}", 2, True),
]

HIVE_DOORS = (
    "capabilities",
    "engines",
    "info",
    "models/search",
    "models/offer",
    "workers/{worker_id}/logs",
    "logs",
    "settings",
)
"""What the queen reads of a hive for an operator."""

OPENAI_PREFIXES = ("/openai/v1", "/v1", "/openai")

ROUTES: list[Route] = [
    *_both("POST", "/v1/jobs", 2, fixed=True),
    *_both("GET", "/v1/jobs", 2, fixed=True),
    *_both("GET", "/v1/jobs/{id}", 2, fixed=True),
    *_both("DELETE", "/v1/jobs/{id}", 2, fixed=True),
    *_both("GET", "/v1/jobs/{id}/stream", 2, fixed=True),
    *[
        Route("queen", method, f"{prefix}/{path}", step, fixed)
        for prefix in OPENAI_PREFIXES
        for method, path, step, fixed in _OPENAI
    ],
    Route("queen", "GET", "/v1/jobs/{id}/why", 4),
    Route("queen", "POST", "/v1/messages", 4),
    Route("queen", "POST", "/v1/messages/count_tokens", 4),
    Route("queen", "POST", "/v1/hive-heartbeat", 2, fixed=True),
    Route("queen", "POST", "/v1/hive/ready", 2),
    *[Route("queen", method, path, 5) for method, path in HIVES],
    *[Route("queen", method, path, 5) for method, path in CARE],
    Route("hive", "GET", "/v1/capabilities", 2),
    Route("hive", "GET", "/v1/engines", 3),
    Route("hive", "POST", "/v1/engines/probe", 3),
    Route("hive", "GET", "/v1/models/search", 3),
    Route("hive", "GET", "/v1/models/offer", 5),
    Route("hive", "POST", "/v1/models/tickets", 5),
    Route("hive", "GET", "/v1/models/files/{sha256}", 5),
    Route("queen", "POST", "/v1/hive/models/seek", 5),
    Route("queen", "GET", "/v1/hives/{hive_id}/models/files/{sha256}", 5),
    *[Route("queen", "GET", f"/v1/hives/{{hive_id}}/{path}", 5) for path in HIVE_DOORS],
    Route("queen", "POST", "/v1/hives/{hive_id}/engines/probe", 5),
    Route("queen", "GET", "/v1/keys", 5),
    Route("queen", "POST", "/v1/keys", 5),
    Route("queen", "DELETE", "/v1/keys/{id}", 5),
    Route("queen", "POST", "/v1/session", 5),
    Route("queen", "GET", "/v1/session", 5),
    Route("queen", "DELETE", "/v1/session", 5),
    *_both("GET", "/v1/settings", 5),
    Route("queen", "PATCH", "/v1/settings", 5),
    Route("queen", "GET", "/v1/plan", 4),
    Route("queen", "GET", "/v1/requests", 5),
    Route("queen", "DELETE", "/v1/requests/{id}", 5),
    *_both("GET", "/v1/logs", 5),
    Route("queen", "GET", "/v1/heartbeats/stream", 2, fixed=True),
    Route("queen", "GET", "/v1/ws", 5, fixed=True),
    Route("queen", "GET", "/v1/state/stream", 5),
    *_both("GET", "/health", 2),
    *_both("GET", "/v1/info", 2),
    *_both("GET", "/metrics", 4),
    *_both("GET", "/openapi.json", 5),
    *_both("POST", "/v1/shutdown", 2),
    Route("queen", "GET", "/", 2),
    Route("hive", "GET", "/", 5),
]
