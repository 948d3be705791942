"""The request that makes another worker go on where the first one stopped.

A chat gets the text so far as its last message, the assistant's (measured:
llama.cpp's server takes it byte for byte, trailing blanks too, and its stream
does not restate it), and the thought so far as that message's reasoning; a plain completion gets it at the end of its prompt. The
top level alone is decoded: every value that is not changed keeps its bytes.
"""

from typing import Any, cast

import msgspec

from rbee.contracts.decode import decode_json
from rbee.queen.inference.continuation.asked import CHAT_PATH
from rbee.queen.inference.continuation.transcript import Transcript

_LIMITS = ("max_tokens", "max_completion_tokens", "n_predict")
_LEAST = ("min_tokens",)
_ASSISTANT = "assistant"
_REASONING = "reasoning_content"


def continued_body(path: str, body: bytes, transcript: Transcript, tokens_used: int) -> bytes:
    """The body of the next leg; the same as before where nothing was said yet.

    ``tokens_used`` are taken off every limit; the caller has made sure that at
    least one is left.

    Raises:
        InvalidRequest: the body is no JSON object, or its messages are none.
    """
    text, reasoning = transcript.text, transcript.reasoning
    if not (text or reasoning):
        return body
    fields = decode_json(body, dict[str, msgspec.Raw])
    if path == CHAT_PATH:
        fields["messages"] = _with_prefix(fields["messages"], text, reasoning)
        # Engines that are not llama.cpp open a new turn unless they are told.
        fields["add_generation_prompt"] = msgspec.Raw(b"false")
        fields["continue_final_message"] = msgspec.Raw(b"true")
    else:
        prompt = decode_json(bytes(fields["prompt"]), str)
        fields["prompt"] = _raw(prompt + text)
    for names, least in ((_LIMITS, 1), (_LEAST, 0)):
        for name in names:
            if name in fields:
                fields[name] = _less(fields[name], tokens_used, least)
    return msgspec.json.encode(fields)


def _less(limit: msgspec.Raw, used: int, least: int) -> msgspec.Raw:
    number = msgspec.json.decode(limit, type=int | None)
    if number is None or number < 0:  # llama.cpp: -1 is no limit
        return limit
    return _raw(max(least, number - used))


def _with_prefix(messages: msgspec.Raw, text: str, reasoning: str) -> msgspec.Raw:
    rows = decode_json(bytes(messages), list[msgspec.Raw])
    last = decode_json(bytes(rows[-1]), dict[str, Any]) if rows else {}
    if last.get("role") == _ASSISTANT:
        # The client began the answer itself; two assistant messages at the end are refused.
        message = _lengthened(last, text)
        rows.pop()
    else:
        message = {"role": _ASSISTANT, "content": text}
    if reasoning:
        thought = f"{message.get(_REASONING) or ''}{reasoning}"
        # The template closes a thought that a text follows with a line break of its own.
        message[_REASONING] = thought.rstrip("\n") if text else thought
    return _raw([*rows, _raw(message)])


def _lengthened(message: dict[str, Any], text: str) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list) and content:
        # Into the last part: between two parts the engine puts an empty line.
        parts = cast("list[dict[str, Any]]", content)
        if "text" in parts[-1]:
            last = {**parts[-1], "text": (parts[-1]["text"] or "") + text}
            return {**message, "content": [*parts[:-1], last]}
    return {**message, "content": f"{content or ''}{text}"}


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
