"""What a request asks that decides whether and how its answer can go on elsewhere.

Read once per death, never on the hot path. ``unsafe`` says in words why an answer
must not be continued: better a clear error than an answer that is subtly wrong.
"""

import msgspec

from rbee.queen.inference.continuation.transcript import Transcript

CHAT_PATH = "/v1/chat/completions"
COMPLETIONS_PATH = "/v1/completions"

_NOTHING = msgspec.Raw(b"null")
_FALSY = frozenset({b"null", b"false", b"0", b"{}", b'""', b"[]"})

_FREE_TOOL_CHOICES = frozenset({b"null", b'"auto"', b'"none"'})

_SHAPED = (
    "grammar",
    "json_schema",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
)
"""Constraints on the whole answer: a second engine would begin them anew in the middle."""


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Format(msgspec.Struct):
    type: str = "text"


class _Fields(msgspec.Struct):
    stop: str | list[str] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n_predict: int | None = None
    n: int | None = None
    best_of: int | None = None
    stream_options: _StreamOptions | None = None
    response_format: _Format | None = None
    prompt: msgspec.Raw = _NOTHING
    messages: list[msgspec.Raw] | None = None
    tool_choice: msgspec.Raw = _NOTHING


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The request, as far as a continuation must know it.

    ``tokens_max`` is the client's limit for the whole answer, None without one.
    ``prevented`` says why an answer of which something was said cannot go on.
    """

    path: str
    stops: tuple[str, ...]
    tokens_max: int | None
    choices: int
    include_usage: bool
    prevented: str | None

    @classmethod
    def read(cls, path: str, body: bytes) -> "Asked":
        """Read a request's body; one that cannot be read is ``prevented``."""
        try:
            everything = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            fields = msgspec.json.decode(body, type=_Fields)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return cls(
                path=path, stops=(), tokens_max=None, choices=1, include_usage=False,
                prevented="the request has fields of unusual types",
            )  # fmt: skip
        stop = fields.stop or ()
        limits = (fields.max_completion_tokens, fields.max_tokens, fields.n_predict)
        options = fields.stream_options
        return cls(
            path=path,
            stops=(stop,) if isinstance(stop, str) else tuple(text for text in stop if text),
            tokens_max=next((n for n in limits if n is not None and n >= 0), None),
            choices=fields.n or 1,
            include_usage=bool(options and options.include_usage),
            prevented=_prevented(path, everything, fields),
        )


def _prevented(path: str, everything: dict[str, msgspec.Raw], fields: _Fields) -> str | None:
    if path not in {CHAT_PATH, COMPLETIONS_PATH}:
        return f"an answer of {path} cannot be continued"
    return (
        _prevented_by_shape(everything, fields)
        or _prevented_by_detail(path, everything)
        or _prevented_by_prompt(path, everything, fields)
    )


def _prevented_by_shape(everything: dict[str, msgspec.Raw], fields: _Fields) -> str | None:
    if (fields.n or 1) > 1 or (fields.best_of or 1) > 1:
        return "more than one choice was asked"
    if fields.response_format is not None and fields.response_format.type != "text":
        return "a response format was asked"
    for name in _SHAPED:
        if _given(everything, name):
            return f"`{name}` was asked"
    choice = bytes(fields.tool_choice)
    if _given(everything, "tools") and choice not in _FREE_TOOL_CHOICES:
        return "a tool call was required"
    return None


def _prevented_by_detail(path: str, everything: dict[str, msgspec.Raw]) -> str | None:
    for name in ("logprobs", "top_logprobs"):
        # For completions 0 asks for the chosen token's own: everything but null counts.
        zero = path == COMPLETIONS_PATH and bytes(everything.get(name, b"")) == b"0"
        if zero or _given(everything, name):
            return "log probabilities were asked"
    return None


def _prevented_by_prompt(
    path: str, everything: dict[str, msgspec.Raw], fields: _Fields
) -> str | None:
    if path == CHAT_PATH:
        return None if fields.messages else "the request has no messages"
    if _given(everything, "suffix") or _given(everything, "echo"):
        return "a suffix or an echo of the prompt was asked"
    try:
        msgspec.json.decode(fields.prompt, type=str)
    except msgspec.MsgspecError:
        return "its prompt is not one text"
    return None


def _given(everything: dict[str, msgspec.Raw], name: str) -> bool:
    return name in everything and bytes(everything[name]) not in _FALSY


def unsafe(path: str, body: bytes, transcript: Transcript) -> str | None:
    """Why this answer must not go on after what was sent, or None when it may.

    Nothing sent, or all of it: that is always safe, whatever was asked.
    """
    if transcript.blank or transcript.done:
        return None
    asked = Asked.read(path, body)
    if transcript.finished(asked.choices):
        return None
    if transcript.beyond_text is not None:
        return transcript.beyond_text
    return asked.prevented
