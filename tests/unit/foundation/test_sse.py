"""Server-sent events: frames, and a reader that does not mind where reads are cut."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.foundation.sse import EventReader, ServerEvent, comment, frame

LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30)
EVENT = st.builds(
    ServerEvent,
    data=LINE,
    id=st.one_of(st.none(), st.integers(0, 10**9).map(str)),
    event=st.sampled_from(["message", "delta"]),
)
LINE_END = st.sampled_from(["\n", "\r\n", "\r"])


def written(event: ServerEvent, end: str) -> str:
    lines = [f"id: {event.id}"] if event.id is not None else []
    if event.event != "message":
        lines.append(f"event: {event.event}")
    return end.join([*lines, f"data: {event.data}", "", ""])


@given(
    events=st.lists(EVENT, max_size=6),
    end=LINE_END,
    cuts=st.lists(st.integers(0, 400), max_size=12),
    noise=st.booleans(),
)
def test_reads_the_same_events_wherever_the_stream_is_cut(
    events: list[ServerEvent], end: str, cuts: list[int], *, noise: bool
) -> None:
    between = f": keep-alive{end}{end}" if noise else ""
    # A last comment: with CR alone as line end, an event is complete at the next byte.
    stream = "".join(between + written(event, end) for event in events) + ":"
    content = stream.encode()
    marks = sorted({0, len(content), *[cut for cut in cuts if cut < len(content)]})
    reader, seen = EventReader(), list[ServerEvent]()
    for start, stop in itertools.pairwise(marks):
        seen += reader.feed(content[start:stop])
    assert seen == events


def test_reads_one_byte_at_a_time() -> None:
    reader = EventReader()
    content = frame(b'{"a":1}', event_id=7) + comment("a\nb") + frame(b"[DONE]")
    seen = [event for byte in content for event in reader.feed(bytes([byte]))]
    assert seen == [ServerEvent('{"a":1}', "7"), ServerEvent("[DONE]")]


def test_several_data_lines_are_one_text() -> None:
    (event,) = EventReader().feed(b"data: one\ndata:two\ndata\n\n")
    assert event.data == "one\ntwo\n"


def test_an_event_without_data_is_none() -> None:
    assert list(EventReader().feed(b"id: 5\nretry: 10\n\n: x\n\n\n\n")) == []


def test_bytes_that_are_not_utf8_do_not_end_the_stream() -> None:
    (event,) = EventReader().feed(b"data: \xff\n\n")
    assert event.data == "�"


def test_an_endless_event_is_refused() -> None:
    reader = EventReader()
    assert list(reader.feed(b"data: " + b"x" * 8_000_000)) == []
    with pytest.raises(ValueError, match="longer than"):
        list(reader.feed(b"x" * 1_000_000))


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_a_json_frame_is_one_line(value: dict[str, str]) -> None:
    content = json.dumps(value).encode()
    (event,) = EventReader().feed(frame(content, event_id=1))
    assert json.loads(event.data) == value
