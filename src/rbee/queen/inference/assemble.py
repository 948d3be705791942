"""Answers for clients that do not stream, made from a stream.

llama.cpp's server goes on generating when a caller who does not stream leaves
(engines.md: 12 of 12). Asked for a stream it stops within 169 ms. So the queen
asks for a stream and builds the one answer that the client expects.

``as_streaming`` replaces two top-level fields and leaves the bytes of every
other value as they are; ``Assembler`` adds the deltas up.
"""

from typing import Any, cast

import msgspec

from rbee.contracts.decode import decode_json
from rbee.errors import WorkerFailed

STREAMING_PATHS = frozenset({"/v1/chat/completions", "/v1/completions"})
"""Endpoints whose streams end with ``[DONE]`` and can be continued elsewhere."""

ASSEMBLED_PATHS = STREAMING_PATHS | {"/v1/messages", "/v1/responses"}
"""Endpoints whose answers can be assembled from their streams."""

_DELTA_LISTS = frozenset({"tool_calls"})
_WITH_USAGE = msgspec.Raw(b'{"include_usage":true}')
_DONE = b"[DONE]"


def as_streaming(body: bytes, path: str) -> bytes:
    """The same request to ``path``, asking for a stream that ends with its usage.

    Raises:
        InvalidRequest: the body is no JSON object.
    """
    fields = decode_json(body, dict[str, msgspec.Raw])
    fields["stream"] = msgspec.Raw(b"true")
    if path in STREAMING_PATHS:  # the others tell it unasked
        fields["stream_options"] = _WITH_USAGE
    return msgspec.json.encode(fields)


class Assembler:
    """Adds up the events of one stream; ``answer`` gives the unary body.

    Deltas follow OpenAI's streaming format: strings are concatenated, tool calls
    are merged by their ``index``, everything else is replaced by what came last.
    """

    def __init__(self) -> None:
        self._envelope: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._done = False

    def feed(self, events: bytes) -> None:
        """Take whole events.

        Raises:
            WorkerFailed: the worker reported an error in its stream, or its
                events are no JSON.
        """
        for line in events.splitlines():
            if line.startswith(b"data:"):
                self._take(line[5:].strip())

    def answer(self) -> bytes:
        """The unary answer.

        Raises:
            WorkerFailed: the stream ended before its ``[DONE]``.
        """
        if not self._done:
            raise WorkerFailed("The worker's stream ended before the answer did.")
        is_chat = str(self._envelope.get("object", "")).startswith("chat.")
        body = dict(self._envelope)
        body["object"] = "chat.completion" if is_chat else "text_completion"
        body["choices"] = [self._choices[index] for index in sorted(self._choices)]
        return msgspec.json.encode(body)

    def _take(self, data: bytes) -> None:
        if data == _DONE:
            self._done = True
            return
        try:
            event = msgspec.json.decode(data, type=dict[str, Any])
            choices = msgspec.convert(event.pop("choices", None) or [], list[dict[str, Any]])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise WorkerFailed("The worker sent an event that is no answer's.") from None
        if "error" in event:
            raise stream_error(event["error"])
        for choice in choices:
            self._add(choice)
        for name, value in event.items():
            if value is not None or name not in self._envelope:
                self._envelope[name] = value

    def _add(self, choice: dict[str, Any]) -> None:
        index = int(choice.get("index") or 0)
        whole = self._choices.setdefault(index, {"index": index, "finish_reason": None})
        if "delta" in choice:
            message: dict[str, Any] = whole.setdefault(
                "message", {"role": "assistant", "content": None}
            )
            _merge(message, choice["delta"] or {})
        if "text" in choice:
            whole["text"] = whole.get("text", "") + (choice["text"] or "")
        if choice.get("logprobs"):
            whole["logprobs"] = _joined_logprobs(whole.get("logprobs"), choice["logprobs"])
        if choice.get("finish_reason") is not None:
            whole["finish_reason"] = choice["finish_reason"]


def stream_error(error: object) -> WorkerFailed:
    """The error that a worker reported inside a stream."""
    message = error
    if isinstance(error, dict):
        message = cast("dict[str, Any]", error).get("message")
    return WorkerFailed(f"The worker failed: {message or 'it gave no reason'}.")


def _merge(whole: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add one delta: text is appended, tool calls are merged by index."""
    for name, value in delta.items():
        if name in _DELTA_LISTS:
            _merge_indexed(whole.setdefault(name, []), value or [])
        elif name in {"role", "id", "type"}:
            whole[name] = value
        elif isinstance(value, str):
            whole[name] = (whole.get(name) or "") + value
        elif isinstance(value, dict):
            _merge(whole.setdefault(name, {}), cast("dict[str, Any]", value))
        elif value is not None or name not in whole:
            whole[name] = value


def _merge_indexed(whole: list[dict[str, Any]], deltas: list[dict[str, Any]]) -> None:
    for delta in deltas:
        index = int(delta.get("index") or 0)
        while len(whole) <= index:
            whole.append({})
        _merge(whole[index], {key: value for key, value in delta.items() if key != "index"})


def _joined_logprobs(whole: dict[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    """Chat and completion log probabilities are objects of lists: append list by list."""
    joined = dict(whole or {})
    for name, value in more.items():
        before = joined.get(name)
        joined[name] = [*before, *value] if before and value else value or before
    return joined
