"""WebSocket frames: as the library cuts them, in whatever pieces they come, within bounds."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from rbee.foundation.mux import websocket
from rbee.foundation.mux.websocket import BINARY, CLOSE, PING, PONG, BadMessage, Reader

MASK = b"\x01\x80\xff\x7f"


class Taken:
    def __init__(self, *, masked: bool = True, size_max: int = 100_000) -> None:
        self.messages: list[bytes] = []
        self.controls: list[tuple[int, bytes]] = []
        self.reader = Reader(
            self.messages.append,
            lambda opcode, payload: self.controls.append((opcode, payload)),
            masked=masked,
            size_max=size_max,
        )


@given(st.lists(st.binary(max_size=70_000), max_size=5), st.lists(st.integers(1, 2000), min_size=1))
def test_messages_come_whole_however_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(websocket.frame(BINARY, payload, MASK) for payload in payloads)
    taken = Taken()
    at = turn = 0
    while at < len(wire):
        size = cuts[turn % len(cuts)] * (1 if turn < 50 else 1000)
        taken.reader.feed(wire[at : at + size])
        at, turn = at + size, turn + 1
    assert taken.messages == payloads


@given(st.binary(max_size=66_000), st.booleans())
def test_the_library_reads_what_we_write(payload: bytes, masked: bool) -> None:
    library = Protocol(SERVER, state=OPEN, max_size=100_000)
    library.receive_data(websocket.frame(BINARY, payload, MASK))
    (event,) = library.events_received()
    assert isinstance(event, Frame)
    assert bytes(event.data) == payload
    taken = Taken(masked=masked)
    frame = Frame(Opcode.BINARY, payload)
    taken.reader.feed(frame.serialize(mask=masked))
    assert taken.messages == [payload]


def test_fragments_are_put_together_and_control_frames_come_between() -> None:
    taken = Taken()
    first = Frame(Opcode.BINARY, b"one ", fin=False).serialize(mask=True)
    ping = websocket.frame(PING, b"?", MASK)
    last = Frame(Opcode.CONT, b"two").serialize(mask=True)
    taken.reader.feed(first + ping + last)
    assert taken.messages == [b"one two"]
    assert taken.controls == [(PING, b"?")]


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (websocket.frame(BINARY, b"x"), websocket.PROTOCOL_ERROR),  # not masked
        (b"\x82\xff" + (1 << 40).to_bytes(8), websocket.TOO_BIG),
        (b"\x82\xfe\xff\xff", websocket.TOO_BIG),
        (b"\xc2\x80" + MASK, websocket.PROTOCOL_ERROR),  # a reserved bit
        (b"\x81\x80" + MASK, websocket.UNSUPPORTED),  # text
        (b"\x83\x80" + MASK, websocket.UNSUPPORTED),
        (b"\x80\x80" + MASK, websocket.PROTOCOL_ERROR),  # goes on with nothing
        (b"\x02\x80" + MASK + b"\x82\x80" + MASK, websocket.PROTOCOL_ERROR),
        (b"\x09\x80" + MASK, websocket.PROTOCOL_ERROR),  # a ping in parts
        (b"\x8b\x80" + MASK, websocket.PROTOCOL_ERROR),
        (websocket.frame(PONG, bytes(126), MASK), websocket.PROTOCOL_ERROR),
        (b"\x02\x80" + MASK + 2000 * (b"\x00\x80" + MASK), websocket.TOO_BIG),  # for ever
    ],
)
def test_what_breaks_the_rules_is_refused(wire: bytes, code: int) -> None:
    taken = Taken(size_max=1000)
    with pytest.raises(BadMessage) as caught:
        taken.reader.feed(wire)
    assert caught.value.code == code


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    taken = Taken(size_max=1000)
    with contextlib.suppress(BadMessage):
        taken.reader.feed(data)
    assert sum(len(message) for message in taken.messages) <= len(data)


def test_a_close_says_why() -> None:
    taken = Taken()
    payload = websocket.close_payload(1008, "because " + "ü" * 100)
    assert len(payload) <= websocket.CONTROL_BYTES_MAX
    taken.reader.feed(websocket.frame(CLOSE, payload, MASK))
    assert taken.controls == [(CLOSE, payload)]
    code, reason = websocket.read_close(payload)
    assert (code, reason[:8]) == (1008, "because ")
    assert websocket.read_close(b"") == (1005, "")


def test_masks_are_never_used_again_in_a_row() -> None:
    masks = websocket.Masks()
    assert len({masks.next() for _ in range(3000)}) > 2990
