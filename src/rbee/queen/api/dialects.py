"""Which API a path speaks: the worker's path behind it, and how its errors look.

Pure: a table and the rendering of errors, for the door, the gate and what is not
there yet. The queen never translates between APIs: llama.cpp's server speaks all of
these itself, so a request goes on byte for byte, and only what the queen says in her
own words (a refusal, a worker lost in mid-stream) must be worded as the client's
library expects it.
"""

from typing import Final, Literal, TypeAlias

import msgspec

from rbee.contracts.workers import Task
from rbee.errors import RbeeError
from rbee.foundation import sse
from rbee.foundation.http.problems import as_openai

Dialect: TypeAlias = Literal["openai", "responses", "anthropic"]
"""``responses`` is OpenAI's, but its streams consist of named events."""

PREFIXES: Final = ("/v1/", "/openai/v1/", "/openai/")
"""Where OpenAI's API is mounted; Anthropic's has its one place under ``/v1``."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A path of inference. ``path`` is the worker's own, ``task`` what it must be started for.

    ``streams`` says whether ``stream`` in the body asks for events.
    """

    path: str
    task: Task = "generate"
    dialect: Dialect = "openai"
    streams: bool = True


_OPENAI: Final = {
    "chat/completions": Endpoint(path="/v1/chat/completions"),
    "completions": Endpoint(path="/v1/completions"),
    "embeddings": Endpoint(path="/v1/embeddings", task="embeddings", streams=False),
    "rerank": Endpoint(path="/v1/rerank", task="rerank", streams=False),
    "responses": Endpoint(path="/v1/responses", dialect="responses"),
}
_ANTHROPIC: Final = {
    "messages": Endpoint(path="/v1/messages", dialect="anthropic"),
    "messages/count_tokens": Endpoint(
        path="/v1/messages/count_tokens", dialect="anthropic", streams=False
    ),
}

ENDPOINTS: Final[dict[str, Endpoint]] = {
    **{f"{prefix}{tail}": endpoint for prefix in PREFIXES for tail, endpoint in _OPENAI.items()},
    **{f"/v1/{tail}": endpoint for tail, endpoint in _ANTHROPIC.items()},
}
"""Every path of inference, whole: one look-up finds it."""

_ANTHROPIC_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""Anthropic's "Errors" page: status to ``error.type``. Other 4xx and 5xx: see ``_type_of``."""

_SERVERS_FAULT: Final = 500


def endpoint_at(path: str) -> Endpoint | None:
    """The endpoint of a request's path (a slash at its end is forgiven), or None."""
    return ENDPOINTS.get(path) or ENDPOINTS.get(path.rstrip("/"))


def dialect_of(path: str) -> Dialect | None:
    """How errors on a path are worded: None where the control plane answers.

    Also for paths that are not there yet, so that a client's library can read them.
    """
    endpoint = endpoint_at(path)
    if endpoint is not None:
        return endpoint.dialect
    if path.startswith("/v1/messages"):
        return "anthropic"
    return "openai" if path.startswith(_SPOKEN) else None


_SPOKEN: Final = ("/openai/", "/v1/models", "/v1/audio/", "/v1/images/", "/v1/responses/")


def render(error: RbeeError, dialect: Dialect, request_id: str = "") -> bytes:
    """An error's body, when it is the whole answer."""
    if dialect == "anthropic":
        return msgspec.json.encode(_anthropic(error, request_id))
    return as_openai(error)


def in_stream(error: RbeeError, dialect: Dialect, request_id: str = "") -> bytes:
    """An error as the last event of a stream whose head is out already."""
    match dialect:
        case "anthropic":
            return _named_error(msgspec.json.encode(_anthropic(error, request_id)))
        case "responses":
            return _named_error(msgspec.json.encode(_of_responses(error)))
        case "openai":
            return sse.frame(as_openai(error))


class _Said(msgspec.Struct, frozen=True):
    """``code`` is ours: Anthropic has none, and its libraries show what they do not know."""

    type: str
    message: str
    code: str


class _AnthropicError(msgspec.Struct, frozen=True, kw_only=True):
    error: _Said
    request_id: str
    type: Literal["error"] = "error"


class _ResponsesError(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's ``error`` event; ``error`` inside makes its libraries raise instead of going on."""

    code: str
    message: str
    param: str | None
    error: msgspec.Raw
    sequence_number: int = 0
    type: Literal["error"] = "error"


class _Envelope(msgspec.Struct):
    error: msgspec.Raw


def _anthropic(error: RbeeError, request_id: str) -> _AnthropicError:
    said = _Said(_type_of(error), f"{error.message} {error.remedy}".strip(), error.code)
    return _AnthropicError(error=said, request_id=request_id)


def _of_responses(error: RbeeError) -> _ResponsesError:
    nested = msgspec.json.decode(as_openai(error), type=_Envelope).error
    return _ResponsesError(
        code=error.code,
        message=f"{error.message} {error.remedy}".strip(),
        param=error.param,
        error=nested,
    )


def _type_of(error: RbeeError) -> str:
    fallback = "api_error" if error.status >= _SERVERS_FAULT else "invalid_request_error"
    return _ANTHROPIC_TYPES.get(error.status, fallback)


def _named_error(data: bytes) -> bytes:
    return b"event: error\n" + sse.frame(data)
