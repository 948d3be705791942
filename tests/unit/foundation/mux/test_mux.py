"""A session keeps every byte in order, within its credit, over connections that break."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.foundation.mux import frames
from rbee.foundation.mux.frames import DATA_BYTES_MAX, WINDOW_BYTES, Violation
from rbee.foundation.mux.mux import (
    KEPT_BYTES_MAX,
    SEEN_EVERY_FRAMES,
    STREAMS_MAX,
    LinkLost,
    Mux,
    StreamRefused,
)
from unit.foundation.mux.two_ends import Reader, TwoEnds


def test_bytes_go_both_ways_and_end() -> None:
    ends = TwoEnds()
    stream = ends.open()
    ends.queen.send(stream, b"question")
    ends.settle()
    assert ends.hive_ends[1].got == b"question"
    ends.hive.send(ends.far(stream), b"answer")
    ends.hive.end(ends.far(stream))
    ends.queen.end(stream)
    ends.settle()
    assert ends.queen_ends[1].got == b"answer"
    assert ends.queen_ends[1].has_ended
    assert ends.hive_ends[1].has_ended
    assert not ends.queen.streams
    assert not ends.hive.streams


def test_a_target_that_is_refused_says_why() -> None:
    ends = TwoEnds()
    stream = ends.open("nobody")
    ends.queen.send(stream, b"question")
    ends.settle()
    error = ends.queen_ends[1].error
    assert isinstance(error, StreamRefused)
    assert str(error) == "nobody is called that"
    assert not ends.queen.streams
    assert not ends.hive.streams


def test_who_does_not_read_is_sent_one_window() -> None:
    ends = TwoEnds(eager=False)
    stream = ends.open()
    ends.queen.send(stream, bytes(WINDOW_BYTES + 1000))
    ends.settle()
    assert len(ends.hive_ends[1].got) == WINDOW_BYTES
    assert len(stream.outbox) == 1000
    ends.hive_ends[1].read_all()
    ends.settle()
    assert len(ends.hive_ends[1].got) == WINDOW_BYTES + 1000
    assert ends.queen_ends[1].drained_count


def test_one_full_stream_does_not_hold_up_another() -> None:
    ends = TwoEnds(eager=False)
    full, other = ends.open(), ends.open()
    ends.queen.send(full, bytes(2 * WINDOW_BYTES))
    ends.queen.send(other, b"small")
    ends.settle()
    assert ends.hive_ends[2].got == b"small"


def test_streams_take_turns_and_beats_need_not_wait() -> None:
    ends = TwoEnds()
    streams = [ends.open(), ends.open()]
    ends.queen.pause()
    for stream in streams:
        ends.queen.send(stream, bytes(3 * DATA_BYTES_MAX))
    third = ends.open()
    ends.sent.clear()
    ends.queen.resume()
    data = [frames.kind_and_stream(message)[1] for message in ends.sent]
    assert data == [1, 2, 1, 2, 1, 2]
    assert third.number == 3  # its OPEN left while DATA had to wait


def test_no_message_is_longer_than_a_frame_may_be() -> None:
    ends = TwoEnds()
    stream = ends.open()
    ends.queen.send(stream, bytes(100_000))
    assert max(len(message) for message in ends.sent) == frames.HEAD_BYTES + DATA_BYTES_MAX


def test_a_broken_connection_loses_nothing() -> None:
    ends = TwoEnds()
    stream = ends.open()
    ends.queen.send(stream, b"one ")
    ends.settle()
    ends.queen.send(stream, b"two ")
    ends.cut()  # "two" was under way
    ends.queen.send(stream, b"three")
    other = ends.open()  # opened while there is no connection
    ends.join()
    ends.settle()
    assert ends.hive_ends[1].got == b"one two three"
    assert other.number in ends.hive.streams


def test_a_reset_crosses_what_the_other_end_sends() -> None:
    ends = TwoEnds()
    stream = ends.open()
    ends.settle()
    ends.hive.send(ends.far(stream), b"late")
    ends.queen.reset(stream, "not wanted any more")
    ends.settle()
    assert ends.queen_ends[1].got == b""
    assert ends.queen_ends[1].error is None
    assert isinstance(ends.hive_ends[1].error, StreamRefused)


def test_a_closed_session_loses_its_streams_once() -> None:
    ends = TwoEnds()
    stream = ends.open()
    ends.queen.close("gone for good")
    assert isinstance(ends.queen_ends[1].error, LinkLost)
    ends.queen.send(stream, b"nothing happens")
    ends.queen.reset(stream, "")
    with pytest.raises(LinkLost):
        ends.queen.open("hive", Reader(ends.queen))


def test_kept_frames_are_let_go_when_they_were_seen() -> None:
    ends = TwoEnds()
    stream = ends.open()
    for _ in range(SEEN_EVERY_FRAMES * 4):
        ends.queen.send(stream, bytes(1000))
    ends.settle()
    assert len(ends.queen._kept) < SEEN_EVERY_FRAMES


def test_who_never_says_what_was_seen_is_sent_no_more_data() -> None:
    queen = Mux()
    out: list[bytes] = []
    queen.attach(out.append, 0)
    for _ in range(64):
        reader = Reader(queen)
        queen.send(queen.open("hive", reader), bytes(WINDOW_BYTES))
    sent = sum(len(message) for message in out)
    assert sent < KEPT_BYTES_MAX["main"] + 2 * DATA_BYTES_MAX + 64 * 100


def test_there_are_only_so_many_streams() -> None:
    ends = TwoEnds()
    for _ in range(STREAMS_MAX):
        ends.open()
    with pytest.raises(LinkLost, match="already"):
        ends.open()


HEAD = frames.head


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x11",
        HEAD(0),
        HEAD(15),
        HEAD(21, 1),
        HEAD(255, 1) + b"x",
        HEAD(frames.HELLO),
        HEAD(frames.BEAT) + b"{}",
        HEAD(frames.OPEN, 3) + b"hive",
        HEAD(frames.OPEN, 1) + b"hive",
        HEAD(frames.DATA, 1),
        HEAD(frames.DATA, 1) + bytes(DATA_BYTES_MAX + 1),
        HEAD(frames.DATA, 7) + b"x",
        HEAD(frames.DATA, 0) + b"x",
        HEAD(frames.CREDIT, 1) + b"\xff",
        HEAD(frames.CREDIT, 1) + b"\xff\xff\xff\xff",
        HEAD(frames.END, 1) + b"x",
        HEAD(frames.RESET, 1) + b"\xff\xfe",
        HEAD(frames.RESET, 1) + bytes(600),
        HEAD(frames.SEEN) + b"\x00",
        frames.seen(10**9),
    ],
)
def test_what_a_hive_may_not_send_is_refused(message: bytes) -> None:
    ends = TwoEnds()
    ends.open()
    ends.settle()
    with pytest.raises(Violation):
        ends.queen.receive(message)


def test_more_than_the_window_is_refused() -> None:
    ends = TwoEnds(eager=False)
    ends.open()
    for _ in range(WINDOW_BYTES // DATA_BYTES_MAX):
        ends.queen.receive(HEAD(frames.DATA, 1) + bytes(DATA_BYTES_MAX))
    with pytest.raises(Violation, match="may not send"):
        ends.queen.receive(HEAD(frames.DATA, 1) + b"x")


def test_a_hive_cannot_claim_to_have_seen_what_was_never_sent() -> None:
    ends = TwoEnds()
    ends.cut()
    with pytest.raises(Violation, match="cannot have been seen"):
        ends.queen.attach(ends.to_hive.append, 5)


Op = tuple[str, int, int]
OPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("open", "queen", "hive", "end>", "end<", "reset"),
                *("step>", "step<", "read", "cut", "pause", "resume"),
            ]
        ),
        st.integers(0, 5),
        st.integers(1, 400_000),
    ),
    max_size=80,
)


class Played:
    """What was done to two ends, and what was written on the way."""

    def __init__(self) -> None:
        self.ends = TwoEnds(eager=False)
        self.written: dict[tuple[str, int], bytearray] = {}
        self._count = 0

    def do(self, name: str, index: int, size: int) -> None:
        ends = self.ends
        both = (ends.queen, ends.hive)
        match name:
            case "open":
                ends.open()
            case "cut":
                ends.cut()
                ends.join()
            case "pause":
                for end in both:
                    end.pause()
            case "resume":
                for end in both:
                    end.resume()
            case "step>" | "step<":
                for _ in range(index + 1):
                    ends.step(to_hive=name == "step>")
            case "read":
                self.read()
            case _:
                self._on_stream(name, index + 1, size)

    def read(self) -> None:
        for reader in [*self.ends.queen_ends.values(), *self.ends.hive_ends.values()]:
            reader.read_all()

    def _on_stream(self, name: str, number: int, size: int) -> None:
        queens = name in {"queen", "end>", "reset"}
        mux = self.ends.queen if queens else self.ends.hive
        reader = (self.ends.queen_ends if queens else self.ends.hive_ends).get(number)
        stream = None if reader is None else reader.stream
        if stream is None or stream.ending or mux.streams.get(number) is not stream:
            return
        if name == "reset":
            mux.reset(stream, "by choice")
            self.written.pop(("hive", number), None)
            self.written.pop(("queen", number), None)
        elif name.startswith("end"):
            mux.end(stream)
        else:
            self._count += 1
            data = (self._count % 251).to_bytes() * size
            key = ("queen" if queens else "hive", number)
            self.written.setdefault(key, bytearray()).extend(data)
            mux.send(stream, data)


@given(OPS)
def test_whatever_happens_each_byte_comes_once_and_in_order(ops: list[Op]) -> None:
    played = Played()
    for op in ops:
        played.do(*op)
        _check(played.ends, played.written, exact=False)
    played.do("resume", 0, 1)
    for _ in range(200):  # read and deliver until nothing moves any more
        played.ends.settle()
        played.read()
    _check(played.ends, played.written, exact=True)


def _check(ends: TwoEnds, written: dict[tuple[str, int], bytearray], *, exact: bool) -> None:
    for (who, number), data in written.items():
        reader = (ends.hive_ends if who == "queen" else ends.queen_ends).get(number)
        if reader is None or reader.error is not None:
            continue
        if exact:
            assert reader.got == data
        else:
            assert data.startswith(bytes(reader.got))
