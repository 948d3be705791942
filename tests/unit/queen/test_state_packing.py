"""What goes over the wire: blocks that stand for themselves, behind one gzip header."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.queen.state.packing import GZIP_HEADER, Packed, deflate, takes_gzip


@given(st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=6))
def test_any_run_of_blocks_is_a_gzip_stream_and_each_is_readable_at_once(
    pieces: list[bytes],
) -> None:
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert reader.decompress(GZIP_HEADER) == b""
    for piece in pieces:
        assert reader.decompress(deflate(piece)) == piece, "held back"


def test_a_message_is_deflated_once() -> None:
    packed = Packed(1, b'{"type":"delta"}', "boot-1")
    assert packed.deflated() is packed.deflated()
    assert packed.plain == b'id: boot-1\ndata: {"type":"delta"}\n\n'


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_is_used_where_the_client_says_so(header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes
