"""A broken answer that goes on: every cut, both endpoints, limits, stops, and what is unsafe."""

from itertools import combinations
from typing import Any

import msgspec
import pytest

from rbee.queen.inference.assemble import Assembler
from rbee.queen.inference.continuation import (
    CannotGoOn,
    Ended,
    Leg,
    Transcript,
    continued_body,
    unsafe,
)
from rbee.queen.inference.continuation.seam import SeamStops
from unit.queen.continuing import (
    CHAT,
    COMPLETIONS,
    Engine,
    chat,
    completion,
    cut_and_continued,
    go_on,
    text_of,
    values,
)

USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}


def finishes(events: list[bytes]) -> list[str]:
    return [
        choice["finish_reason"]
        for value in values(events)
        for choice in value["choices"]
        if choice["finish_reason"] is not None
    ]


def usages(events: list[bytes]) -> list[dict[str, Any]]:
    return [value["usage"] for value in values(events) if value.get("usage")]


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("cuts", [*combinations(range(13), 1), (3, 2), (1, 1, 1), (4, 0, 2)])
def test_one_answer_whatever_the_cuts(path: str, limit: int | None, cuts: tuple[int, ...]) -> None:
    more: dict[str, Any] = USAGE | ({"max_tokens": limit} if limit else {})
    body = chat(**more) if path == CHAT else completion(**more)
    whole = Engine().events(path, body)
    seen = cut_and_continued(Engine(), path, body, *cuts)
    assert text_of(seen) == text_of(whole)
    assert finishes(seen) == finishes(whole)
    assert b"".join(seen).count(b"[DONE]") == 1
    assert seen[-1].endswith(b"data: [DONE]\n\n")
    expected = usages(whole)[0]
    (usage,) = usages(seen)
    assert usage["prompt_tokens"] == expected["prompt_tokens"]
    # Where the end itself was lost, the end-of-text token is counted as llama.cpp does it.
    assert usage["completion_tokens"] - expected["completion_tokens"] in {0, 1}
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@pytest.mark.parametrize("cut", range(1, 11))
def test_the_first_legs_name_and_time_are_kept_and_no_second_role_comes(cut: int) -> None:
    seen = values(cut_and_continued(Engine(), CHAT, chat(), cut, 3))
    assert len({value["id"] for value in seen}) == 1
    assert len({value["created"] for value in seen}) == 1
    roles = [c["delta"]["role"] for v in seen for c in v["choices"] if "role" in c["delta"]]
    assert roles == ["assistant"]


def test_usage_comes_only_where_it_was_asked_in_a_chat() -> None:
    assert usages(cut_and_continued(Engine(), CHAT, chat(), 4)) == []
    assert len(usages(cut_and_continued(Engine(), CHAT, chat(**USAGE), 4))) == 1


def test_an_engine_without_a_tokenizer_is_counted_by_its_events() -> None:
    body = completion(max_tokens=6, **USAGE)
    seen = cut_and_continued(Engine(), COMPLETIONS, body, 4, mute=True)
    whole = Engine().events(COMPLETIONS, body)
    assert text_of(seen) == text_of(whole)
    assert usages(seen)[0]["completion_tokens"] == usages(whole)[0]["completion_tokens"]
    assert usages(seen)[0]["prompt_tokens"] == usages(whole)[0]["prompt_tokens"]


def test_timings_of_the_last_leg_are_not_told_as_the_answers() -> None:
    assert "timings" in values(Engine().events(CHAT, chat()))[-1]
    assert "timings" not in values(cut_and_continued(Engine(), CHAT, chat(), 4))[-1]


def test_an_answer_assembled_over_two_legs_is_the_answer() -> None:
    body = chat(max_tokens=7, **USAGE)
    answers: list[Any] = []
    for events in (Engine().events(CHAT, body), cut_and_continued(Engine(), CHAT, body, 5)):
        assembler = Assembler()
        for event in events:
            assembler.feed(event)
        answers.append(msgspec.json.decode(assembler.answer()))
    whole, continued = answers
    assert continued["choices"] == whole["choices"]
    assert continued["usage"]["total_tokens"] == whole["usage"]["total_tokens"]


def test_an_answer_that_had_its_last_token_ends_without_another_leg() -> None:
    transcript = Transcript()
    body = chat(max_tokens=3)
    engine = Engine()
    for event in engine.events(CHAT, body)[:4]:
        transcript.feed(event)
    step = go_on(engine, CHAT, body, transcript)
    assert isinstance(step, Ended)
    assert finishes([step.events]) == ["length"]
    assert [question.path for question in engine.asked] == [
        "/tokenize",
        "/apply-template",
        "/tokenize",
    ]


def test_an_answer_that_was_whole_asks_nobody_anything() -> None:
    transcript = Transcript()
    engine = Engine()
    for event in engine.events(CHAT, chat()):
        transcript.feed(event)
    assert go_on(engine, CHAT, chat(), transcript) == Ended(b"")
    assert engine.asked == []


def test_the_clients_own_beginning_of_the_answer_is_lengthened() -> None:
    said = Transcript.said(" world")
    rows: list[Any] = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "hello"}]
    body = msgspec.json.encode({"messages": rows})
    sent = msgspec.json.decode(continued_body(CHAT, body, said, 1))
    assert sent["messages"][-1] == {"role": "assistant", "content": "hello world"}
    rows[-1]["content"] = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    sent = msgspec.json.decode(
        continued_body(CHAT, msgspec.json.encode({"messages": rows}), said, 1)
    )
    assert [part["text"] for part in sent["messages"][-1]["content"]] == ["a", "b world"]


def test_only_limits_and_prompt_change_and_other_values_keep_their_bytes() -> None:
    body = b'{"messages":[ {"role":"user","content":"\\u00fc"} ],"temperature":0.10,"max_tokens":9,"n_predict":-1}'
    sent = continued_body(CHAT, body, Transcript.said(" a b"), 2)
    assert b'{"role":"user","content":"\\u00fc"}' in sent
    assert b'"temperature":0.10' in sent
    assert msgspec.json.decode(sent)["max_tokens"] == 7
    assert msgspec.json.decode(sent)["n_predict"] == -1


def test_a_blank_answer_begins_anew_with_the_clients_bytes() -> None:
    transcript = Transcript()
    body = chat(logprobs=True, n=1)
    transcript.feed(Engine().events(CHAT, body)[0])
    assert unsafe(CHAT, body, transcript) is None
    step = go_on(Engine(), CHAT, body, transcript)
    assert isinstance(step, Leg)
    assert step.body == body


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"logprobs": True}, "log prob"),
    ({"n": 2}, "more than one"),
    ({"response_format": {"type": "json_object"}}, "format"),
    ({"grammar": "root ::= x"}, "grammar"),
    ({"tools": [{}], "tool_choice": "required"}, "tool call"),
    ({"max_tokens": "many"}, "unusual"),
]


@pytest.mark.parametrize(("more", "reason"), REFUSED)
def test_what_cannot_go_on_is_said(more: dict[str, Any], reason: str) -> None:
    assert reason in (unsafe(CHAT, chat(**more), Transcript.said("a")) or "")
    assert unsafe(CHAT, chat(**more), Transcript()) is None


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"logprobs": 0}, "log prob"), ({"echo": True}, "echo"), ({"prompt": ["a", "b"]}, "one text")],
)
def test_what_cannot_go_on_of_a_completion_is_said(more: dict[str, Any], reason: str) -> None:
    body = msgspec.json.encode({"prompt": "a", **more})
    assert reason in (unsafe(COMPLETIONS, body, Transcript.said("a")) or "")


@pytest.mark.parametrize(
    ("delta", "reason"),
    [
        ({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}, "tool call"),
        ({"reasoning": "hm"}, "reasoning"),
        ({"refusal": "no"}, "refusal"),
    ],
)
def test_what_was_half_sent_and_is_no_text_is_said(delta: dict[str, Any], reason: str) -> None:
    transcript = Transcript()
    event = {"id": "a", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    transcript.feed(b"data: " + msgspec.json.encode(event) + b"\n\n")
    assert reason in (unsafe(CHAT, chat(), transcript) or "")


def thinking(*deltas: dict[str, str]) -> Transcript:
    transcript = Transcript()
    for delta in deltas:
        event = {"id": "a", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        transcript.feed(b"data: " + msgspec.json.encode(event) + b"\n\n")
    return transcript


class ThinkingEngine(Engine):
    """Its template puts a thought between marks, closed where a text follows."""

    def prompt(self, path: str, asked: dict[str, Any]) -> str:
        *rows, last = asked["messages"]
        if "reasoning_content" not in last:
            return super().prompt(path, asked)
        thought = f"<think> {last['reasoning_content']}"
        closed = f"{thought} </think> {last['content']}" if last["content"] else thought
        return f"{super().prompt(path, asked | {'messages': rows})} {closed}"


@pytest.mark.parametrize(
    ("deltas", "message", "used"),
    [
        (({"reasoning_content": "so "}, {"reasoning_content": "it"}), {"content": ""}, 3),
        (({"reasoning_content": "so it\n"}, {"content": "Yes"}), {"content": "Yes"}, 5),
    ],
)
def test_a_thought_goes_on_where_it_was(
    deltas: tuple[dict[str, str], ...], message: dict[str, str], used: int
) -> None:
    said = thinking(*deltas)
    body = chat(max_tokens=20, **USAGE)
    assert unsafe(CHAT, body, said) is None
    step = go_on(ThinkingEngine(), CHAT, body, said)
    assert isinstance(step, Leg)
    sent = msgspec.json.decode(step.body)
    thought = {"role": "assistant", "reasoning_content": "so it"}
    assert sent["messages"][-1] == thought | message
    assert sent["max_tokens"] == 20 - used + 1  # the toy's last line break joins the mark
    out = step.stitcher.feed(
        b'data: {"id":"b","choices":[{"delta":{"reasoning_content":"x"}}]}\n\n'
    )
    assert b'"id":"a"' in out
    assert b'"reasoning_content":"x"' in out


def test_a_thought_does_not_go_on_where_the_template_drops_it() -> None:
    with pytest.raises(CannotGoOn, match="thought"):
        go_on(Engine(), CHAT, chat(), thinking({"reasoning_content": "so it"}))


def test_a_chat_does_not_go_on_on_an_engine_that_cannot_be_asked() -> None:
    with pytest.raises(CannotGoOn, match="may not go on"):
        go_on(Engine(), CHAT, chat(), Transcript.said(" amber1"), mute=True)


def test_other_endpoints_are_not_continued() -> None:
    assert "/v1/responses" in (unsafe("/v1/responses", b"{}", Transcript.said("a")) or "")


def test_a_transcript_reads_any_framing_and_ignores_pings() -> None:
    transcript = Transcript()
    transcript.feed(b':\n\ndata: {"id":"a","choices":[{"text":"x"}]}\r\n\r\n')
    transcript.feed(b'data:{"id":"a","choices":[{"text":"\xc3\xbc"}]}\n\n: ping\n\n')
    assert transcript.text == "x\u00fc"
    assert transcript.deltas == 2
    transcript.feed(b"data: {broken\n\n")
    assert transcript.beyond_text == "an event was sent that is no answer's"


def test_a_long_transcript_keeps_its_text_only() -> None:
    transcript = Transcript()
    events = Engine(3).events(CHAT, chat())[1:4]
    for _ in range(2_000):
        transcript.feed(b"".join(events))
    assert transcript.deltas == 6_000
    assert transcript.text == text_of(events) * 2_000


@pytest.mark.parametrize(
    ("said", "rest", "out", "stopped"),
    [
        ("one EN", ["D two"], "", True),
        ("one EN", ["D"], "", True),
        ("one E", ["N", "D x"], "", True),
        ("one E", ["N", "O more"], "NO more", False),
        ("one E", ["N"], "N", False),
        ("one", [" END"], " END", False),  # behind the seam: the engine's own to find
        ("END", ["x"], "x", False),  # before it: the first engine let it pass
        ("", ["END"], "END", False),
    ],
)
def test_a_stop_string_over_the_seam(said: str, rest: list[str], out: str, stopped: bool) -> None:
    seam = SeamStops(["END", "\n"], said)
    got = "".join([seam.feed(piece) for piece in rest]) + ("" if seam.stopped else seam.rest())
    assert got == out
    assert seam.stopped is stopped


def test_a_stop_string_over_the_seam_ends_the_stream_once() -> None:
    body = completion(stop=["amber1 kiln2"], **USAGE)
    transcript = Transcript()
    transcript.feed(b'data: {"id":"a","choices":[{"index":0,"text":"say amber1 ki"}]}\n\n')
    step = go_on(Engine(), COMPLETIONS, body, transcript)
    assert isinstance(step, Leg)
    events = [
        step.stitcher.feed(b'data: {"id":"b","choices":[{"index":0,"text":"%s"}]}\n\n' % piece)
        for piece in (b"l", b"n2 more", b"and more")
    ]
    assert step.stitcher.done
    assert text_of([event for event in events if event]) == ""
    assert finishes(events) == ["stop"]
    assert b"".join(events).count(b"[DONE]") == 1


def test_a_leg_that_no_longer_fits_ends_by_length() -> None:
    transcript = Transcript()
    body = chat(**USAGE)
    for event in Engine().events(CHAT, body)[:5]:
        transcript.feed(event)
    step = go_on(Engine(), CHAT, body, transcript)
    assert isinstance(step, Leg)
    events = [step.stitcher.end("length")]
    assert finishes(events) == ["length"]
    assert usages(events)[0]["completion_tokens"] == 4
    assert step.stitcher.end("length") == b""


def test_an_error_of_the_next_worker_passes_as_it_is() -> None:
    step = go_on(Engine(), CHAT, chat(), Transcript.said(" amber1"))
    assert isinstance(step, Leg)
    error = b'data: {"error":{"message":"no"}}\n\n'
    assert step.stitcher.feed(error) == error
    assert not step.stitcher.done
