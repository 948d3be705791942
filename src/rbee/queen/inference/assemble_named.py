"""One answer from a stream of named events: Anthropic's messages and OpenAI's Responses.

As in ``assemble``: llama.cpp's server goes on generating for a caller who does not
stream and has left, so the queen asks for a stream and gives its sum.
"""

from typing import Any, Final, Protocol

import msgspec

from rbee.errors import WorkerFailed
from rbee.queen.inference.assemble import Assembler, stream_error

_PIECES: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
"""Kinds of a block's deltas, and the field that each adds to."""


class Sum(Protocol):
    """What all assemblers do."""

    def feed(self, events: bytes) -> None:
        """Take whole events."""
        ...

    def answer(self) -> bytes:
        """The unary answer."""
        ...


def assembler_for(path: str) -> Sum:
    """The assembler for the answers of a worker's path."""
    match path:
        case "/v1/messages":
            return MessagesAssembler()
        case "/v1/responses":
            return ResponsesAssembler()
        case _:
            return Assembler()


class MessagesAssembler:
    """Adds up one message of Anthropic's API ("Streaming messages" in its documentation)."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}
        self._done = False

    def feed(self, events: bytes) -> None:
        """Take whole events.

        Raises:
            WorkerFailed: the worker reported an error, or its events are no message's.
        """
        for event in _decoded(events):
            self._take(event)

    def answer(self) -> bytes:
        """The message.

        Raises:
            WorkerFailed: the stream ended before it did.
        """
        if not self._done:
            raise WorkerFailed("The worker's stream ended before the answer did.")
        for index, text in self._inputs.items():
            self._blocks[index]["input"] = _object(text)
        content = [self._blocks[index] for index in sorted(self._blocks)]
        return msgspec.json.encode({**self._message, "content": content})

    def _take(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "message_start", "message": {**message}}:
                self._message = message
            case {"type": "content_block_start", "index": int(index), "content_block": {**block}}:
                self._blocks[index] = block
            case {"type": "content_block_delta", "index": int(index), "delta": {**delta}}:
                self._add(index, delta)
            case {"type": "message_delta", "delta": {**delta}}:
                self._message |= delta
                used: dict[str, Any] = event.get("usage") or {}
                self._message["usage"] = (self._message.get("usage") or {}) | used
            case {"type": "message_stop"}:
                self._done = True
            case {"type": "error", "error": error}:
                raise stream_error(error)
            case _:  # pings, and kinds that were invented later
                pass

    def _add(self, index: int, delta: dict[str, Any]) -> None:
        field = _PIECES.get(str(delta.get("type")))
        if field is None or index not in self._blocks:
            return
        piece = str(delta.get(field) or "")
        if field == "partial_json":
            self._inputs[index] = self._inputs.get(index, "") + piece
        else:
            block = self._blocks[index]
            block[field] = (block.get(field) or "") + piece


class ResponsesAssembler:
    """Waits for the event that holds the whole response."""

    def __init__(self) -> None:
        self._response: dict[str, Any] | None = None

    def feed(self, events: bytes) -> None:
        """Take whole events.

        Raises:
            WorkerFailed: the worker reported an error, or its events are no response's.
        """
        for event in _decoded(events):
            match event:
                case {
                    "type": "response.completed" | "response.incomplete",
                    "response": {**response},
                }:
                    self._response = response
                case {"type": "response.failed", "response": {"error": error}}:
                    raise stream_error(error)
                case {"type": "error"}:
                    raise stream_error(event.get("error") or event)
                case _:  # its parts, which the whole repeats
                    pass

    def answer(self) -> bytes:
        """The response.

        Raises:
            WorkerFailed: the stream ended before it did.
        """
        if self._response is None:
            raise WorkerFailed("The worker's stream ended before the answer did.")
        return msgspec.json.encode(self._response)


def _decoded(events: bytes) -> list[dict[str, Any]]:
    """The events' data."""
    found: list[dict[str, Any]] = []
    for line in events.splitlines():
        data = line[5:].strip() if line.startswith(b"data:") else b""
        if not data or data == b"[DONE]":
            continue
        try:
            event = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise WorkerFailed("The worker sent an event that is no answer's.") from None
        found.append(event if "type" in event else {"type": "error", **event})
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.MsgspecError:  # cut off by its limit: what came is not JSON yet
        return {}
