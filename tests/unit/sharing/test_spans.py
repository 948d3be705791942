"""Ranges of a model file."""

import pytest

from rbee.hive.sharing.uploads import Span, span_of


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        (None, Span(0, 100, whole=True)),
        ("bytes=0-", Span(0, 100, whole=False)),
        ("bytes=40-", Span(40, 100, whole=False)),
        ("bytes=40-49", Span(40, 50, whole=False)),
        ("bytes=40-999999999999", Span(40, 100, whole=False)),
        ("bytes=99-99", Span(99, 100, whole=False)),
        ("bytes=100-", None),
        ("bytes=50-40", None),
        ("bytes=999999999999999999-", None),
        ("bytes=-5", Span(0, 100, whole=True)),
        ("bytes=1-2,4-5", Span(0, 100, whole=True)),
        ("items=1-2", Span(0, 100, whole=True)),
        ("bytes=" + "9" * 40 + "-", Span(0, 100, whole=True)),
        ("bytes=\u0661-\u0662", Span(0, 100, whole=True)),
    ],
)
def test_a_range_is_one_range_or_none(asked: str | None, span: Span | None) -> None:
    assert span_of(asked, 100) == span


def test_an_empty_file_has_no_range() -> None:
    assert span_of("bytes=0-", 0) is None
    assert span_of(None, 0) == Span(0, 0, whole=True)
