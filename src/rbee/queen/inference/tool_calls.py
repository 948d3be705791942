"""An answer's JSON as ``tool_calls``: the way back of ``tool_choice``.

The worker was made to write either one function's arguments (``Call.name`` is set)
or ``{"name": …, "arguments": …}``. Here that text becomes what OpenAI's clients
expect: a call with an id, its arguments as a string, ``finish_reason`` ``tool_calls``.
In a stream the arguments go on piece by piece, as they come.

An answer that was cut off (``finish_reason`` ``length``) gives the arguments as far as
they came, as OpenAI does. An engine that wrote something else is an error: what was
promised is a tool call.
"""

import json
import re
import secrets
from typing import Any, Final, cast

import msgspec

from rbee.errors import EngineError, WorkerFailed
from rbee.foundation import sse

_HEAD: Final = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*')
_HEAD_LENGTH_MAX: Final = 4_096  # a name of 64 characters and the engine's white space
_DONE: Final = b"[DONE]"
_CUT: Final = "length"


class Call(msgspec.Struct, frozen=True):
    """How the text is to be read: ``name``'s arguments, or (None) an object that says whose."""

    name: str | None


class CallReader:
    """Reads the text of one choice, in pieces. ``name`` is None until it is known."""

    __slots__ = ("_depth", "_escaped", "_head", "_in_string", "complete", "id", "name")

    def __init__(self, call: Call) -> None:
        self.id = f"call_{secrets.token_hex(12)}"
        self.name = call.name
        self.complete = False
        self._head = "" if call.name is None else None
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, text: str) -> str:
        """The piece of the arguments that ``text`` holds.

        Raises:
            EngineError: the text is no call.
        """
        if self._head is not None:
            self._head += text
            found = _HEAD.match(self._head)
            if found is None:
                if len(self._head) > _HEAD_LENGTH_MAX:
                    raise no_call()
                return ""
            self.name = str(json.loads(found[1]))
            text, self._head = self._head[found.end() :], None
        return self._arguments(text)

    def _arguments(self, text: str) -> str:
        """Up to the brace that closes the arguments; what follows closes our own object."""
        if not self._depth:
            text = text.lstrip()
        for index, mark in enumerate(text):
            if self.complete:
                return text[:index]
            if self._in_string:
                self._step_in_string(mark)
            else:
                self._step(mark)
        return text

    def _step(self, mark: str) -> None:
        if not self._depth and mark != "{":
            raise no_call()
        if mark == '"':
            self._in_string = True
        elif mark in "{[":
            self._depth += 1
        elif mark in "}]":
            self._depth -= 1
            self.complete = self._depth == 0

    def _step_in_string(self, mark: str) -> None:
        if self._escaped:
            self._escaped = False
        elif mark == "\\":
            self._escaped = True
        elif mark == '"':
            self._in_string = False

    def check_end(self, finish_reason: str) -> None:
        """Whether the text may end here.

        Raises:
            EngineError: it is no whole call, and was not cut off either.
        """
        if not self.complete and finish_reason != _CUT:
            raise no_call()


def no_call() -> EngineError:
    """The engine was told to call a tool, and did something else."""
    return EngineError(
        "The engine wrote no tool call although it had to: it does not keep to a JSON schema.",
        remedy="Use another engine for this model, or `tool_choice: auto`.",
    )


def as_tool_calls(body: bytes, call: Call) -> bytes:
    """A whole chat completion with each choice's text as a tool call.

    Raises:
        EngineError: a choice holds no call.
        WorkerFailed: the body is no chat completion.
    """
    answer = _decoded(body)
    answer["choices"] = choices = _choices(answer)
    for choice in choices:
        reader = CallReader(call)
        message = cast("dict[str, Any]", choice.get("message") or {})
        arguments = reader.feed(str(message.get("content") or ""))
        finish_reason = str(choice.get("finish_reason") or "")
        reader.check_end(finish_reason)
        message["content"] = None
        choice["message"] = message
        if reader.name is not None:
            function = {"name": reader.name, "arguments": arguments}
            message["tool_calls"] = [{"id": reader.id, "type": "function", "function": function}]
        if finish_reason != _CUT:
            choice["finish_reason"] = "tool_calls"
    return msgspec.json.encode(answer)


class Rewriter:
    """One stream's events with the text as tool call deltas, per choice."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._readers: dict[int, CallReader] = {}
        self._begun: set[int] = set()

    def feed(self, events: bytes) -> bytes:
        """Whole events in, whole events out; ``b""`` when nothing can be said yet.

        Raises:
            EngineError: a choice holds no call.
            WorkerFailed: an event is no chat completion's.
        """
        return b"".join(self._event(block) for block in events.split(b"\n\n") if block.strip())

    def _event(self, block: bytes) -> bytes:
        data = block.strip().removeprefix(b"data:").strip()
        if not block.lstrip().startswith(b"data:") or data == _DONE:
            return block.lstrip(b"\n") + b"\n\n"
        event = _decoded(data)
        if not event.get("choices"):
            return sse.frame(data)  # usage, or an error
        event["choices"] = choices = _choices(event)
        kept = [self._choice(choice) for choice in choices]
        if not any(kept):
            return b""
        return sse.frame(msgspec.json.encode(event))

    def _choice(self, choice: dict[str, Any]) -> bool:
        """Rewrite one choice in place; False when nothing is left to say of it."""
        index = int(choice.get("index") or 0)
        reader = self._readers.get(index)
        if reader is None:
            reader = self._readers[index] = CallReader(self._call)
        delta = cast("dict[str, Any]", choice.get("delta") or {})
        text = delta.pop("content", None)
        if "role" in delta:
            delta["content"] = None
        if text:
            arguments = reader.feed(str(text))
            if reader.name is not None and (arguments or index not in self._begun):
                delta["tool_calls"] = [self._delta(index, reader, arguments)]
        choice["delta"] = delta
        finish_reason = choice.get("finish_reason")
        if finish_reason is not None:
            reader.check_end(str(finish_reason))
            if finish_reason != _CUT:
                choice["finish_reason"] = "tool_calls"
        return bool(delta) or finish_reason is not None

    def _delta(self, index: int, reader: CallReader, arguments: str) -> dict[str, Any]:
        """The first delta of a call says all of it, later ones only more of its arguments."""
        if index in self._begun:
            return {"index": 0, "function": {"arguments": arguments}}
        self._begun.add(index)
        function = {"name": reader.name, "arguments": arguments}
        return {"index": 0, "id": reader.id, "type": "function", "function": function}


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise WorkerFailed("The worker sent something that is no chat completion.") from None


def _choices(answer: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        return msgspec.convert(answer.get("choices") or [], list[dict[str, Any]])
    except msgspec.ValidationError:
        raise WorkerFailed("The worker sent something that is no chat completion.") from None
