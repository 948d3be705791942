"""JSON as tool calls: whole answers, and streams cut anywhere."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.errors import EngineError, WorkerFailed
from rbee.queen.inference.tool_calls import Call, CallReader, Rewriter, as_tool_calls

_ARGUMENTS = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=6,
    ),
    max_size=4,
)


def _answer(content: str | None, finish_reason: str = "stop") -> bytes:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "finish_reason": finish_reason,
    }
    body = {"id": "c1", "object": "chat.completion", "choices": [choice], "usage": {"x": 1}}
    return json.dumps(body).encode()


def _chunk(delta: dict[str, Any], finish_reason: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"id": "c1", "choices": [choice]}).encode() + b"\n\n"


def _stream(pieces: list[str], finish_reason: str = "stop") -> list[bytes]:
    return [
        _chunk({"role": "assistant", "content": None}),
        *(_chunk({"content": piece}) for piece in pieces),
        _chunk({}, finish_reason),
        b"data: [DONE]\n\n",
    ]


def _events(data: bytes) -> list[dict[str, Any]]:
    lines = [line[6:] for line in data.splitlines() if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def _calls(data: bytes) -> tuple[list[dict[str, Any]], str]:
    """The deltas of tool calls, and their arguments put together."""
    deltas = [
        delta
        for event in _events(data)
        for choice in event["choices"]
        for delta in choice["delta"].get("tool_calls", ())
    ]
    return deltas, "".join(delta["function"].get("arguments", "") for delta in deltas)


def _cut(text: str, marks: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(mark % (len(text) + 1) for mark in marks)})
    return [text[a:b] for a, b in itertools.pairwise(edges)]


def test_a_whole_answer_becomes_a_call() -> None:
    answer = json.loads(as_tool_calls(_answer('{"city": "Paris"}'), Call("weather")))
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["id"].startswith("call_")
    assert call["function"] == {"name": "weather", "arguments": '{"city": "Paris"}'}
    assert answer["usage"] == {"x": 1}


def test_the_answer_may_name_its_function() -> None:
    text = '{\n "name" : "we\\"ather", "arguments": {"a": "}"} }'
    answer = json.loads(as_tool_calls(_answer(text), Call(None)))
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": 'we"ather', "arguments": '{"a": "}"}'}


def test_an_answer_that_was_cut_off_says_so() -> None:
    answer = json.loads(as_tool_calls(_answer('{"city": "Par', "length"), Call("weather")))
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"city": "Par'
    answer = json.loads(as_tool_calls(_answer('{"na', "length"), Call(None)))
    assert "tool_calls" not in answer["choices"][0]["message"], "whose it is, nobody knows"


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("Sure!", Call("f")),
        ("[1]", Call("f")),
        ('"x"', Call("f")),
        ("", Call("f")),
        ('{"a": 1', Call("f")),
        ("x" * 5000, Call(None)),
        ('{"name": "f", "arguments": 5}', Call(None)),
    ],
)
def test_what_is_no_call_is_an_error(text: str, call: Call) -> None:
    with pytest.raises(EngineError, match="no tool call"):
        as_tool_calls(_answer(text), call)
    rewriter = Rewriter(call)
    with pytest.raises(EngineError, match="no tool call"):
        list(map(rewriter.feed, _stream([text])))


def test_what_is_no_completion_is_the_workers_failure() -> None:
    for body in (b"no JSON", b'{"choices": 5}', b"[]"):
        with pytest.raises(WorkerFailed):
            as_tool_calls(body, Call("f"))


def test_a_streams_first_delta_says_who_is_called() -> None:
    rewriter = Rewriter(Call("weather"))
    out = b"".join(map(rewriter.feed, _stream(['{"ci', 'ty": "P', 'aris"}'])))
    deltas, arguments = _calls(out)
    assert arguments == '{"city": "Paris"}'
    assert deltas[0]["function"]["name"] == "weather"
    assert deltas[0]["type"] == "function"
    assert all(set(delta) == {"index", "function"} for delta in deltas[1:])
    events = _events(out)
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert out.endswith(b"data: [DONE]\n\n")
    assert all("content" not in event["choices"][0]["delta"] for event in events[1:])


def test_what_is_no_text_passes_through() -> None:
    rewriter = Rewriter(Call("f"))
    usage = b'data: {"choices":[],"usage":{"total_tokens":5}}\n\n'
    error = b'data: {"error":{"message":"x"}}\n\n'
    thought = _chunk({"reasoning_content": "hm"})
    assert rewriter.feed(b": ping\n\n" + usage) == b": ping\n\n" + usage
    assert rewriter.feed(error) == error
    assert _events(rewriter.feed(thought)) == _events(thought)
    assert rewriter.feed(b"data: [DONE]\n\n") == b"data: [DONE]\n\n"


def test_choices_are_told_apart() -> None:
    rewriter = Rewriter(Call("f"))
    out = b"".join(
        rewriter.feed(_chunk({"content": text}, index=index))
        for text, index in (('{"a"', 0), ('{"b"', 1), (": 1}", 0), (": 2}", 1))
    )
    ids = {
        (event["choices"][0]["index"], delta["id"])
        for event in _events(out)
        for delta in event["choices"][0]["delta"]["tool_calls"]
        if "id" in delta
    }
    assert len(ids) == 2
    assert len({each for _, each in ids}) == 2


@given(_ARGUMENTS, st.text(min_size=1, max_size=10), st.lists(st.integers(0, 500), max_size=12))
def test_a_stream_may_be_cut_anywhere(
    arguments: dict[str, Any], name: str, marks: list[int]
) -> None:
    text = json.dumps(arguments, indent=1)
    for call, whole in (
        (Call(name), text),
        (Call(None), f'{{"name": {json.dumps(name)}, "arguments": {text}\n}}'),
    ):
        rewriter = Rewriter(call)
        out = b"".join(map(rewriter.feed, _stream(_cut(whole, marks))))
        deltas, together = _calls(out)
        assert together == text
        assert deltas[0]["function"]["name"] == name
        assert _events(out)[-1]["choices"][0]["finish_reason"] == "tool_calls"


@given(_ARGUMENTS, st.lists(st.integers(0, 500), max_size=12))
def test_a_reader_knows_when_the_arguments_are_whole(
    arguments: dict[str, Any], marks: list[int]
) -> None:
    text = json.dumps(arguments)
    reader = CallReader(Call("f"))
    pieces = _cut(text, marks)
    for piece in pieces[:-1]:
        reader.feed(piece)
        assert not reader.complete
    reader.feed(pieces[-1])
    assert reader.complete
