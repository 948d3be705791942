"""Whole messages and responses from streams of named events."""

import json

import pytest

from rbee.errors import WorkerFailed
from rbee.queen.inference.assemble import Assembler
from rbee.queen.inference.assemble_named import (
    MessagesAssembler,
    ResponsesAssembler,
    assembler_for,
)


def events(*said: dict[str, object]) -> bytes:
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (str(one.get("type")).encode(), json.dumps(one).encode())
        for one in said
    )


def answered(path: str, said: bytes) -> bytes:
    assembler = assembler_for(path)
    assembler.feed(said)
    return assembler.answer()


def block(index: int, **fields: object) -> dict[str, object]:
    return {"type": "content_block_start", "index": index, "content_block": fields}


def piece(index: int, kind: str, **fields: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


START = {
    "type": "message_start",
    "message": {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 7, "output_tokens": 0},
    },
}
STOP = {"type": "message_stop"}


def test_a_message_of_text_thought_and_a_tool() -> None:
    assembler = MessagesAssembler()
    assembler.feed(events(START, block(0, type="thinking", thinking="", signature="")))
    assembler.feed(events(piece(0, "thinking_delta", thinking="Hm")))
    assembler.feed(events(piece(0, "signature_delta", signature="s"), {"type": "ping"}))
    assembler.feed(events(block(1, type="text", text="")))
    for text in ("Hel", "lo"):
        assembler.feed(events(piece(1, "text_delta", text=text)))
    assembler.feed(events(block(2, type="tool_use", id="t", name="f", input={})))
    for text in ('{"a": ', "1}"):
        assembler.feed(events(piece(2, "input_json_delta", partial_json=text)))
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 9},
    }
    assembler.feed(events(end, STOP))
    assert json.loads(assembler.answer()) == {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 9},
    }


def test_a_tool_call_that_was_cut_off_has_no_input() -> None:
    assembler = MessagesAssembler()
    assembler.feed(events(START, block(0, type="tool_use", id="t", name="f", input={})))
    assembler.feed(events(piece(0, "input_json_delta", partial_json='{"a'), STOP))
    assert json.loads(assembler.answer())["content"][0]["input"] == {}


def test_the_last_event_of_responses_holds_it_all() -> None:
    assembler = ResponsesAssembler()
    assembler.feed(events({"type": "response.created", "response": {"status": "in_progress"}}))
    assembler.feed(events({"type": "response.output_text.delta", "delta": "x"}))
    assembler.feed(events({"type": "response.completed", "response": {"id": "r", "output": []}}))
    assert json.loads(assembler.answer()) == {"id": "r", "output": []}


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
@pytest.mark.parametrize(
    "said",
    [
        b'data: {"type":"error","error":{"message":"out of bees"}}\n\n',
        b'data: {"error":{"message":"out of bees"}}\n\n',
        b'data: {"type":"error","message":"out of bees"}\n\n',
        b'data: {"type":"response.failed","response":{"error":{"message":"out of bees"}}}\n\n',
    ],
)
def test_an_error_in_the_stream_is_the_workers(path: str, said: bytes) -> None:
    with pytest.raises(WorkerFailed):
        answered(path, said)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
def test_a_stream_that_ends_too_soon_or_is_none_fails(path: str) -> None:
    with pytest.raises(WorkerFailed, match="ended before"):
        assembler_for(path).answer()
    with pytest.raises(WorkerFailed, match="no answer's"):
        assembler_for(path).feed(b"data: nothing\n\n")


def test_other_paths_have_the_usual_assembler() -> None:
    assert isinstance(assembler_for("/v1/chat/completions"), Assembler)
