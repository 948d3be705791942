"""The OpenAI-compatible API: only what the queen itself reads or writes.

The queen peeks at a request and forwards the client's own bytes, so these
structs hold the fields that routing needs and no others.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

_Count = Annotated[float, Meta(ge=-1, le=2**31 - 1)]  # engines count in 32 bits; -1: no limit
_Choices = Annotated[float, Meta(ge=1, le=128)]  # OpenAI's own limit
_Alternatives = Annotated[float, Meta(ge=-1, le=1_000)]  # all 49,000 of a vocabulary: 2 s a token
_Window = Annotated[float, Meta(ge=-1, le=1_000_000)]  # tokens; 2**31 of them took 16 s (measured)
_Grammar = Annotated[str, Meta(max_length=16_384)]  # llama.cpp dies of 30,000 nested brackets


class RequestPeek(msgspec.Struct, omit_defaults=True):
    """What routing must know of a request body, and the bounds of what engines are given.

    The numbers are not used: reading them here refuses, with the path, what an engine would
    answer by crashing, or by being busy for everybody (docs/security.md says what was
    measured). An unknown field is the engine's own business.
    """

    model: str
    stream: bool | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    n_predict: _Count | None = None
    n_keep: _Count | None = None
    n_discard: Annotated[float, Meta(ge=0, le=2**31 - 1)] | None = None
    n: _Choices | None = None
    n_cmpl: _Choices | None = None
    best_of: _Choices | None = None
    logprobs: bool | _Alternatives | None = None
    top_logprobs: _Alternatives | None = None
    prompt_logprobs: _Alternatives | None = None
    n_probs: _Alternatives | None = None
    repeat_last_n: _Window | None = None
    dry_penalty_last_n: _Window | None = None
    min_keep: _Window | None = None
    id_slot: _Window | None = None
    grammar: _Grammar | None = None


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
