"""The OpenAI-compatible API: only what the queen itself reads or writes.

The queen peeks at a request and forwards the client's own bytes, so these
structs hold the fields that routing needs and no others.
"""

from typing import Any, Literal

import msgspec


class RequestPeek(msgspec.Struct):
    """What routing must know of a request body."""

    model: str
    stream: bool | None = None


class StreamOptions(msgspec.Struct):
    """``stream_options`` of a request."""

    include_usage: bool | None = None


class ModelPlace(msgspec.Struct, kw_only=True):
    """The ``rbee`` part of a model object: where it is and how it is."""

    hives: list[str]
    workers: list[str]
    state: Literal["ready", "loading", "available", "downloading", "error"]
    size_bytes: int | None = None
    aliases: list[str] = msgspec.field(default_factory=list[str])


class ModelObject(msgspec.Struct, kw_only=True):
    """One row of ``GET models``. ``created`` is Unix seconds."""

    id: str
    created: int
    rbee: ModelPlace
    object: Literal["model"] = "model"
    owned_by: str = "rbee"


class ModelObjects(msgspec.Struct, kw_only=True):
    """``GET models``."""

    data: list[ModelObject]
    object: Literal["list"] = "list"


class ErrorBody(msgspec.Struct, kw_only=True):
    """OpenAI's error object; ``remedy`` is ours and says what to do."""

    message: str
    type: str
    code: str
    param: str | None = None
    remedy: str | None = None


class ErrorEnvelope(msgspec.Struct, kw_only=True):
    """Every error of the OpenAI doors."""

    error: ErrorBody


class Usage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Token counts of one answer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: Any = None
    completion_tokens_details: Any = None
