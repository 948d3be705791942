"""How a worker frames its answer: whole events go on, half ones wait, nonsense is refused."""

import contextlib

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.errors import WorkerFailed
from rbee.queen.inference.framing import (
    LAST_CHUNK,
    TAIL_BYTES_MAX,
    ChunkedBody,
    LengthBody,
    ToEndBody,
    WholeChunks,
    as_chunk,
    framing_of,
    payload,
)

EVENTS = st.lists(
    st.text(alphabet='abc \r{}"\\é', min_size=0, max_size=40).map(
        lambda text: b"data: " + text.replace("\r", "").encode() + b"\n\n"
    ),
    min_size=0,
    max_size=12,
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces; a place counts from the last one."""
    pieces: list[bytes] = []
    for place in places:
        pieces.append(data[: place + 1])
        data = data[place + 1 :]
    return [piece for piece in [*pieces, data] if piece]


@given(EVENTS, st.lists(st.integers(0, 60), max_size=20), st.lists(st.integers(0, 90), max_size=20))
def test_whatever_the_chunks_and_reads_only_whole_events_go_on_and_all_of_them(
    events: list[bytes], chunk_cuts: list[int], read_cuts: list[int]
) -> None:
    text = b"".join(events)
    wire = b"".join(map(as_chunk, cut(text, chunk_cuts))) + LAST_CHUNK
    body = WholeChunks()
    out = b""
    for piece in cut(wire, read_cuts):
        out += body.feed(piece)
        sent = payload(out)
        assert text.startswith(sent)
        assert sent == b"" or sent.endswith(b"\n\n")
    assert body.ended
    assert payload(out) == text


@given(st.binary(max_size=300), st.lists(st.integers(0, 60), max_size=9), st.data())
def test_chunks_are_taken_off_as_httptools_does(
    text: bytes, chunk_cuts: list[int], data: st.DataObject
) -> None:
    class Reference:
        said = b""

        def on_body(self, part: bytes) -> None:
            self.said += part

    wire = b"".join(map(as_chunk, cut(text, chunk_cuts))) + LAST_CHUNK
    reference = Reference()
    parser = httptools.HttpResponseParser(reference)
    parser.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + wire)
    body = ChunkedBody()
    pieces = cut(wire, data.draw(st.lists(st.integers(0, 40), max_size=30)))
    assert b"".join(map(body.feed, pieces)) == reference.said == text
    assert body.ended


@given(st.binary(max_size=200))
def test_nonsense_is_refused_in_our_own_words_or_waited_for(data: bytes) -> None:
    for body in (WholeChunks(), ChunkedBody()):
        with contextlib.suppress(WorkerFailed):
            assert isinstance(body.feed(data), bytes)


def test_a_worker_that_dies_in_a_chunk_leaves_whole_events() -> None:
    body = WholeChunks()
    first = as_chunk(b"data: 1\n\n")
    assert body.feed(first + b"20\r\ndata: 2\n\ndata: ha") == first
    assert not body.ended


def test_an_engine_that_cuts_its_chunks_anywhere_is_framed_anew() -> None:
    body = WholeChunks()
    out = body.feed(as_chunk(b"data: 1\n\nda"))
    assert payload(out) == b"data: 1\n\n"
    out = body.feed(as_chunk(b"ta: 2\n\n") + LAST_CHUNK)
    assert payload(out) == b"data: 2\n\n"
    assert body.ended


def test_a_huge_event_is_not_waited_for() -> None:
    body = WholeChunks()
    half = as_chunk(b"data: " + b"x" * TAIL_BYTES_MAX)
    assert body.feed(half) == half


@pytest.mark.parametrize(
    "wire",
    [b"zz\r\n", b"-1\r\n", b"+5\r\nhello\r\n", b"5_0\r\n", b"0x5\r\nhello\r\n" * 3, b"f" * 30],
)
def test_a_size_that_is_none_is_refused(wire: bytes) -> None:
    with pytest.raises(WorkerFailed, match="framed"):
        ChunkedBody().feed(wire)


def test_a_chunk_longer_than_it_said_is_refused() -> None:
    for body in (WholeChunks(), ChunkedBody()):
        with pytest.raises(WorkerFailed, match="longer"):
            body.feed(b"3\r\nhello\n\n\r\n")


def test_more_than_the_answer_is_refused() -> None:
    for body in (WholeChunks(), ChunkedBody()):
        with pytest.raises(WorkerFailed, match="more than its answer"):
            body.feed(LAST_CHUNK + b"HTTP/1.1 200 OK\r\n")
    with pytest.raises(WorkerFailed, match="Content-Length"):
        LengthBody(3).feed(b"four")


def test_trailers_are_skipped() -> None:
    body = ChunkedBody()
    assert body.feed(as_chunk(b"x") + b"0\r\nTrailer: 1\r\n") == b"x"
    assert not body.ended
    assert body.feed(b"\r\n") == b""
    assert body.ended


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ([], 200, ToEndBody),
        ([(b"content-length", b"5")], 200, LengthBody),
        ([(b"content-length", b"5"), (b"content-length", b"5")], 200, LengthBody),
        ([(b"transfer-encoding", b"Chunked")], 200, ChunkedBody),
        ([(b"transfer-encoding", b"chunked")], 204, LengthBody),
    ],
)
def test_the_head_decides_the_framing(
    headers: list[tuple[bytes, bytes]], status: int, kind: type[object]
) -> None:
    assert isinstance(framing_of(headers, status), kind)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"5"), (b"content-length", b"6")],
        [(b"content-length", b"-5")],
        [(b"transfer-encoding", b"gzip, chunked")],
    ],
)
def test_what_could_be_read_two_ways_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(WorkerFailed, match="how long"):
        framing_of(headers, 200)
