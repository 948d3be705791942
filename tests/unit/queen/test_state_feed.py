"""The rule of the feed: a snapshot and all deltas after it, folded in order, are the tables."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rbee.queen.state.feed import Feed, Rows

NAMES = st.sampled_from(["hives", "workers", "events"])
IDS = st.sampled_from(["a", "b", "c", "d/e", 'q"uote', "ü"])
ROWS = st.dictionaries(IDS, st.integers(0, 3).map(lambda n: b'{"n":%d}' % n), max_size=6)
STEP = st.dictionaries(NAMES, ROWS, max_size=3)

Shown = dict[str, dict[str, Any]]


class Client:
    """Folds messages as a browser does."""

    def __init__(self) -> None:
        self.tables: Shown = {}
        self.seq = 0

    def take(self, seq: int, data: bytes) -> None:
        message = json.loads(data)
        if message["type"] == "snapshot":
            self.tables = message["tables"]
        else:
            for name, change in message["tables"].items():
                rows = self.tables.setdefault(name, {})
                for key in change.get("del", []):
                    del rows[key]  # what is said to go was there: nothing is told twice
                rows.update(change.get("set", {}))
        self.seq = seq

    def catch_up(self, feed: Feed) -> str:
        """As ``Publisher.follow`` does; what it was given."""
        frames = feed.since(self.seq)
        if frames is None:
            frame = feed.snapshot(0.0)
            self.take(frame.seq, frame.data)
            return "snapshot"
        for frame in frames:
            assert frame.seq == self.seq + 1, "a gap"
            self.take(frame.seq, frame.data)
        return "deltas"


def as_shown(tables: Mapping[str, Rows]) -> Shown:
    return {
        name: {key: json.loads(row) for key, row in rows.items()} for name, rows in tables.items()
    }


def without_empty(tables: Shown) -> Shown:
    return {name: rows for name, rows in tables.items() if rows}


@given(st.lists(st.tuples(STEP, st.booleans()), max_size=20), st.integers(1, 5))
def test_whoever_catches_up_sees_the_tables(
    steps: list[tuple[dict[str, Rows], bool]], frames_max: int
) -> None:
    feed, client, tables = Feed(frames_max=frames_max), Client(), dict[str, Rows]()
    late = Client()
    for number, (step, looks) in enumerate(steps):
        tables |= step
        frame = feed.fold(step, at=float(number))
        assert frame.seq == number + 1
        client.catch_up(feed)
        assert without_empty(client.tables) == without_empty(as_shown(tables))
        if looks:  # one who was away, and may be further behind than the ring reaches
            late.catch_up(feed)
            assert without_empty(late.tables) == without_empty(as_shown(tables))


def test_the_first_message_of_a_newcomer_is_a_snapshot() -> None:
    feed = Feed(frames_max=2)
    for number in range(5):
        feed.fold({"hives": {"a": b"%d" % number}}, at=1.0)
    newcomer = Client()
    assert newcomer.catch_up(feed) == "snapshot"
    assert newcomer.tables == {"hives": {"a": 4}}
    assert newcomer.catch_up(feed) == "deltas"


def test_only_what_differs_is_told() -> None:
    feed = Feed()
    feed.fold({"hives": {"a": b"1", "b": b"2"}, "jobs": {"j": b"3"}}, at=1.0)
    frame = feed.fold({"hives": {"a": b"1", "c": b"4"}, "jobs": {"j": b"3"}}, at=2.5)
    assert json.loads(frame.data) == {
        "type": "delta",
        "at": 2.5,
        "tables": {"hives": {"set": {"c": 4}, "del": ["b"]}},
    }
    assert json.loads(feed.fold({}, at=3.0).data)["tables"] == {}


def test_a_number_from_the_future_gets_a_snapshot() -> None:
    feed = Feed()
    feed.fold({"hives": {}}, at=1.0)
    assert feed.since(7) is None
    assert feed.since(1) == []


def test_deltas_that_are_longer_than_a_snapshot_are_not_sent() -> None:
    feed = Feed()
    large = [{"loads": {"w": b'"%s"' % (mark * 60_000)}} for mark in (b"a", b"b", b"c")]
    for step in large:
        feed.fold(step, at=1.0)
    assert feed.since(2) is not None, "one delta is what everybody gets"
    assert feed.since(1) is None, "two of them are longer than all tables"


def test_the_ring_is_bounded_by_bytes_and_keeps_the_newest() -> None:
    feed = Feed(ring_bytes_max=1000)
    for number in range(20):
        feed.fold({"loads": {"w": b'"%s"' % (str(number).encode() * 100)}}, at=1.0)
    assert 17 < feed.oldest <= 20
    assert feed.since(19) is not None


def test_a_snapshot_is_made_once_for_all_who_ask() -> None:
    feed = Feed()
    feed.fold({"hives": {"a": b"1"}}, at=1.0)
    assert feed.snapshot(1.0).data is feed.snapshot(2.0).data
    feed.fold({}, at=3.0)
    assert json.loads(feed.snapshot(3.0).data)["at"] == 3.0
