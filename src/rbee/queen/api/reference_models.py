"""What the doors to models take and give, for the reference: ``/openapi.json`` of the queen.

The queen peeks at a request (``RequestPeek``) and forwards the client's own bytes, and answers come
from engines as they are. So the types here are decoded by nobody: they name the fields that people
use, the published APIs know more, and what stands here not passes through all the same.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from rbee.contracts.openai import ModelObject, ModelObjects, RequestPeek, StreamOptions, Usage
from rbee.contracts.principals import PRIORITY_MAX
from rbee.errors import (
    DeadlineExceeded,
    InvalidRequest,
    ModelNotFound,
    NoCapacity,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    RbeeError,
    TooLarge,
    WorkerFailed,
)
from rbee.foundation.http.openapi import Errors, Events, Media, Param, Row
from rbee.queen.api.dialects import PREFIXES, dialect_of
from rbee.queen.api.not_yet import LINES

_Words = dict[str, Any]


class ChatMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One message. ``content`` is a text, or parts: texts, images, audio."""

    role: str
    content: str | list[_Words] | None = None
    name: str | None = None
    tool_calls: list[_Words] | None = None
    tool_call_id: str | None = None


class _Sampling(RequestPeek, kw_only=True, omit_defaults=True):
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream_options: StreamOptions | None = None


class ChatRequest(_Sampling, kw_only=True, omit_defaults=True):
    """A conversation to go on with."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    tools: list[_Words] | None = None
    tool_choice: str | _Words | None = None
    response_format: _Words | None = None


class CompletionRequest(_Sampling, kw_only=True, omit_defaults=True):
    """A text to go on with, without a chat template."""

    prompt: str | list[str]
    suffix: str | None = None


class EmbeddingRequest(RequestPeek, kw_only=True, omit_defaults=True):
    """Texts to make vectors of."""

    input: str | list[str]
    encoding_format: Literal["float", "base64"] | None = None


class RerankRequest(RequestPeek, kw_only=True, omit_defaults=True):
    """Texts to put in order by how well they answer ``query``."""

    query: str
    documents: list[str]
    top_n: int | None = None


class ResponseRequest(_Sampling, kw_only=True, omit_defaults=True):
    """OpenAI's newer form of a conversation."""

    input: str | list[_Words]
    instructions: str | None = None
    max_output_tokens: int | None = None


class MessagesRequest(RequestPeek, kw_only=True, omit_defaults=True):
    """Anthropic's form of a conversation."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    system: str | list[_Words] | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[_Words] | None = None


class ChatChoice(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One answer: ``message`` whole, ``delta`` in a stream."""

    index: int
    message: ChatMessage | None = None
    delta: _Words | None = None
    text: str | None = None
    finish_reason: str | None = None


class ChatAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An answer, or one event of its stream; the last event is ``[DONE]``."""

    choices: list[ChatChoice]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    usage: Usage | None = None


class Embedding(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A text's vector."""

    index: int
    embedding: list[float] | str


class EmbeddingAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The vectors, in the order of the texts."""

    data: list[Embedding]
    model: str | None = None
    usage: Usage | None = None


class Ranked(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A document's score."""

    index: int
    relevance_score: float


class RerankAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The documents by their scores, best first."""

    results: list[Ranked]
    model: str | None = None
    usage: Usage | None = None


class MessagesAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Anthropic's answer."""

    content: list[_Words]
    id: str | None = None
    type: str | None = None
    role: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: _Words | None = None


class TokenCount(msgspec.Struct, kw_only=True):
    """How many tokens a conversation has."""

    input_tokens: int


HEADERS: Final = (
    Param(
        name="X-Request-Id", where="header", about="Given back and logged; up to 128 characters."
    ),
    Param(name="X-Hive-Preference", where="header", about="The hive that shall serve, if it can."),
    Param(
        name="X-Priority",
        where="header",
        about=f"-{PRIORITY_MAX} to {PRIORITY_MAX}, or low, normal, high; never above the key's.",
    ),
    Param(name="X-Session-Id", where="header", about="Keeps a conversation on one worker."),
    Param(name="X-Labels", where="header", about="Labels that the serving hive must have."),
    Param(name="X-Deadline-S", where="header", about="Seconds after which nobody waits any more."),
)

REFUSALS: Final[tuple[type[RbeeError], ...]] = (
    InvalidRequest,
    ModelNotFound,
    TooLarge,
    RateLimited,
    QuotaExceeded,
    WorkerFailed,
    NoCapacity,
    QueueFull,
    DeadlineExceeded,
)

_TAG: Final = "models"
_CHAT_EVENTS: Final = Events(ChatAnswer, "Events while it is written, when `stream` is true.")


def _door(
    summary: str,
    body: type,
    answer: type,
    *,
    events: Events | None = None,
    errors: Errors = "openai",
) -> Row:
    return Row(
        method="POST",
        path="",
        summary=summary,
        tag=_TAG,
        body=body,
        answer=answer,
        events=events,
        params=HEADERS,
        problems=REFUSALS,
        errors=errors,
    )


_DOORS: Final[dict[str, Row]] = {
    "chat/completions": _door(
        "Answer in a conversation", ChatRequest, ChatAnswer, events=_CHAT_EVENTS
    ),
    "completions": _door("Go on with a text", CompletionRequest, ChatAnswer, events=_CHAT_EVENTS),
    "embeddings": _door("Make vectors of texts", EmbeddingRequest, EmbeddingAnswer),
    "rerank": _door("Put texts in order", RerankRequest, RerankAnswer),
    "responses": _door(
        "Answer, in OpenAI's newer form",
        ResponseRequest,
        dict[str, Any],
        events=Events(dict[str, Any], "Named events, when `stream` is true."),
    ),
}

_ANTHROPIC_DOORS: Final[dict[str, Row]] = {
    "/v1/messages": _door(
        "Answer in a conversation, as Anthropic's API does",
        MessagesRequest,
        MessagesAnswer,
        events=Events(dict[str, Any], "Anthropic's events, when `stream` is true."),
        errors="anthropic",
    ),
    "/v1/messages/count_tokens": _door(
        "Count a conversation's tokens", MessagesRequest, TokenCount, errors="anthropic"
    ),
}


def _at(path: str, door: Row) -> Row:
    return msgspec.structs.replace(door, path=path)


def _listings(prefix: str) -> list[Row]:
    return [
        Row(
            method="GET",
            path=f"{prefix}models",
            summary="The models that this key may use",
            tag=_TAG,
            answer=ModelObjects,
            errors="openai",
        ),
        Row(
            method="GET",
            path=f"{prefix}models/{{model}}",
            summary="One model; its id may contain slashes",
            tag=_TAG,
            answer=ModelObject,
            problems=(ModelNotFound,),
            errors="openai",
        ),
    ]


def _later(method: str, path: str) -> Row:
    return Row(
        method="POST" if method == "POST" else "GET",
        path=path,
        summary="Not in this version: 501 `not_yet`",
        tag="later",
        answer=Media("application/octet-stream", "Never, in this version."),
        errors="control" if dialect_of(path) is None else "openai",
    )


MODEL_ROWS: Final[tuple[Row, ...]] = (
    *(_at(f"{prefix}{tail}", door) for prefix in PREFIXES for tail, door in _DOORS.items()),
    *(row for prefix in PREFIXES for row in _listings(prefix)),
    *(_at(path, door) for path, door in _ANTHROPIC_DOORS.items()),
    *(_later(method, path) for method, path in LINES),
)
"""The doors to models, under each of their prefixes."""
