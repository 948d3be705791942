"""Unary answers made from streams, and requests turned into streaming ones."""

import msgspec
import pytest

from rbee.errors import InvalidRequest, WorkerFailed
from rbee.queen.inference.assemble import Assembler, as_streaming


def event(**fields: object) -> bytes:
    return b"data: " + msgspec.json.encode(fields) + b"\n\n"


def chunk(delta: dict[str, object], finish: str | None = None, index: int = 0) -> bytes:
    return event(
        id="c1",
        object="chat.completion.chunk",
        created=7,
        model="m",
        choices=[{"index": index, "delta": delta, "finish_reason": finish}],
    )


def assembled(*events: bytes) -> dict[str, object]:
    assembler = Assembler()
    for one in events:
        assembler.feed(one)
    body: dict[str, object] = msgspec.json.decode(assembler.answer())
    return body


DONE = b"data: [DONE]\n\n"


def test_a_chat_answer_has_its_text_finish_reason_and_usage() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    body = assembled(
        chunk({"role": "assistant", "content": None}),
        chunk({"content": "Hel"}) + chunk({"content": "lo"}),
        chunk({}, "stop"),
        event(
            id="c1", object="chat.completion.chunk", created=7, model="m", choices=[], usage=usage
        ),
        DONE,
    )
    assert body == {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "usage": usage,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Hello"},
            }
        ],
    }


def test_a_plain_completion_has_its_text_and_every_choice() -> None:
    body = assembled(
        event(object="text_completion", choices=[{"index": 1, "text": "b", "finish_reason": None}]),
        event(
            object="text_completion", choices=[{"index": 0, "text": "a", "finish_reason": "stop"}]
        ),
        event(
            object="text_completion", choices=[{"index": 1, "text": "c", "finish_reason": "length"}]
        ),
        DONE,
    )
    assert body["object"] == "text_completion"
    assert body["choices"] == [
        {"index": 0, "finish_reason": "stop", "text": "a"},
        {"index": 1, "finish_reason": "length", "text": "bc"},
    ]


def test_tool_calls_are_merged_by_index() -> None:
    def call(index: int, **fields: object) -> dict[str, object]:
        return {"tool_calls": [{"index": index, **fields}]}

    body = assembled(
        chunk(call(0, id="t0", type="function", function={"name": "f", "arguments": ""})),
        chunk(call(0, function={"arguments": '{"a"'})),
        chunk(call(1, id="t1", type="function", function={"name": "g", "arguments": "{}"})),
        chunk(call(0, function={"arguments": ":1}"})),
        chunk({}, "tool_calls"),
        DONE,
    )
    choices = body["choices"]
    assert isinstance(choices, list)
    assert choices[0]["message"]["tool_calls"] == [
        {"id": "t0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "t1", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_logprobs_are_appended() -> None:
    def one(token: str) -> bytes:
        return event(
            object="chat.completion.chunk",
            choices=[{"index": 0, "delta": {"content": token}, "logprobs": {"content": [token]}}],
        )

    choices = assembled(one("a"), one("b"), DONE)["choices"]
    assert isinstance(choices, list)
    assert choices[0]["logprobs"] == {"content": ["a", "b"]}


def test_a_stream_without_its_end_is_no_answer() -> None:
    with pytest.raises(WorkerFailed, match="ended before"):
        assembled(chunk({"content": "half"}))


def test_an_error_in_the_stream_is_the_answer() -> None:
    with pytest.raises(WorkerFailed, match="out of memory"):
        assembled(event(error={"message": "out of memory"}))


@pytest.mark.parametrize("bad", [b"data: {\n\n", b"data: 3\n\n", b"data: \xff\n\n"])
def test_garbage_is_the_workers_fault(bad: bytes) -> None:
    with pytest.raises(WorkerFailed):
        assembled(bad)


def test_only_the_two_stream_fields_change() -> None:
    body = b'{ "model":"m", "n": 1.50, "stream" : false, "x": {"stream":false,  "u": "\\u00e9"} }'
    changed = as_streaming(body, "/v1/chat/completions")
    assert b'"n":1.50' in changed
    assert b'{"stream":false,  "u": "\\u00e9"}' in changed
    assert msgspec.json.decode(changed)["stream"] is True
    assert msgspec.json.decode(changed)["stream_options"] == {"include_usage": True}


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        as_streaming(b"[1]", "/v1/chat/completions")
