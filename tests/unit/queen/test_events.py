"""Whole events only, wherever the reads are cut."""

from hypothesis import given
from hypothesis import strategies as st

from rbee.queen.inference.events import TAIL_BYTES_MAX, EventCutter

EVENT = st.binary(max_size=40).map(
    lambda data: b"data: " + data.replace(b"\n", b"").replace(b"\r", b"")
)


@given(st.lists(EVENT, max_size=8), st.lists(st.integers(1, 30), max_size=40), st.booleans())
def test_every_piece_ends_at_an_event_and_nothing_is_lost(
    events: list[bytes], cuts: list[int], windows: bool
) -> None:
    end = b"\r\n\r\n" if windows else b"\n\n"
    stream = b"".join(event + end for event in events)
    cutter = EventCutter()
    pieces: list[bytes] = []
    rest = stream
    for size in cuts:
        pieces.append(cutter.feed(rest[:size]))
        rest = rest[size:]
    pieces.append(cutter.feed(rest))
    assert all(piece == b"" or piece.endswith(end) for piece in pieces)
    assert b"".join(pieces) + cutter.rest() == stream


def test_an_unfinished_event_waits_for_its_end() -> None:
    cutter = EventCutter()
    assert cutter.feed(b"data: 1\n\ndata: 2") == b"data: 1\n\n"
    assert cutter.feed(b"2\n") == b""
    assert cutter.feed(b"\ndata: 3") == b"data: 22\n\n"
    assert cutter.rest() == b"data: 3"


def test_a_tail_over_its_limit_goes_on_as_it_is() -> None:
    cutter = EventCutter()
    huge = b"data: " + b"x" * TAIL_BYTES_MAX
    assert cutter.feed(huge) == huge
