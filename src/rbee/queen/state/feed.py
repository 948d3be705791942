"""Tables in, a snapshot and numbered deltas out. Pure: no clock, no socket, no loop.

A table is a mapping from ids to rows that are JSON already. ``fold`` compares by bytes what
is given with what was given before, and makes one delta of all that differs; an unchanged
row costs a comparison of two pointers where its source gives the same bytes again. The
newest deltas are kept, so that who lost its connection goes on without a gap. Who is
further behind than they reach, or than a snapshot would be long, gets a snapshot.

The rule it keeps: a snapshot and all deltas after it, folded in order, are the tables.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import msgspec

Rows: TypeAlias = Mapping[str, bytes]
"""A table: ids to rows in JSON. What a source gives stays as it is: it is compared later."""

FRAMES_MAX: Final = 300  # five minutes at one a second: longer away than a laptop's short sleep
RING_BYTES_MAX: Final = 8 * 1024 * 1024  # 45 s of 1,000 busy workers; a restart takes three
SNAPSHOT_BYTES_MIN: Final = 64 * 1024  # below it nobody need count which of the two is shorter

_encode = msgspec.json.Encoder().encode


class Frame(NamedTuple):
    """One message of the stream. ``seq`` grows by one with each; ``data`` is its JSON."""

    seq: int
    data: bytes


class Feed:
    """The tables of one audience; see the module."""

    def __init__(
        self, *, frames_max: int = FRAMES_MAX, ring_bytes_max: int = RING_BYTES_MAX
    ) -> None:
        self.seq = 0
        self._tables: dict[str, Rows] = {}
        self._bytes: dict[str, int] = {}
        self._ring: deque[Frame] = deque()
        self._ring_bytes = 0
        self._frames_max = frames_max
        self._ring_bytes_max = ring_bytes_max
        self._snapshot: Frame | None = None

    @property
    def oldest(self) -> int:
        """The number of the oldest delta that is kept; one more than ``seq`` if none is."""
        return self._ring[0].seq if self._ring else self.seq + 1

    def fold(self, tables: Mapping[str, Rows], at: float) -> Frame:
        """The tables are now these, at Unix time ``at``; tables not named are as before.

        Returns the delta, which may be empty: that is the beat by which a client knows that
        the line is alive.
        """
        changed: list[bytes] = []
        for name, rows in tables.items():
            before = self._tables.get(name)
            if rows is before:
                continue
            self._tables[name] = rows
            part = _changes(before or {}, rows)
            if part is not None:
                changed.append(b"%b:%b" % (_encode(name), part))
                self._bytes.pop(name, None)
        self.seq += 1
        data = b'{"type":"delta","at":%b,"tables":{%b}}' % (_time(at), b",".join(changed))
        frame = Frame(self.seq, data)
        self._keep(frame)
        self._snapshot = None
        return frame

    def since(self, seq: int) -> list[Frame] | None:
        """The deltas after ``seq``; None: a snapshot has to be sent, and is no longer."""
        if seq > self.seq or seq + 1 < self.oldest:
            return None
        if seq == self.seq:
            return []
        count = self.seq - seq
        frames = [self._ring[at] for at in range(len(self._ring) - count, len(self._ring))]
        if count > 1 and sum(len(frame.data) for frame in frames) > self.snapshot_bytes:
            return None
        return frames

    def snapshot(self, at: float) -> Frame:
        """All tables as they are; made once for all who ask between two deltas."""
        if self._snapshot is None:
            tables = b",".join(
                b"%b:%b" % (_encode(name), _object(rows)) for name, rows in self._tables.items()
            )
            data = b'{"type":"snapshot","at":%b,"tables":{%b}}' % (_time(at), tables)
            self._snapshot = Frame(self.seq, data)
        return self._snapshot

    @property
    def snapshot_bytes(self) -> int:
        """About how long a snapshot is."""
        for name, rows in self._tables.items():
            if name not in self._bytes:
                # Ids stand in most rows too: counting the rows alone is near enough.
                self._bytes[name] = sum(map(len, rows.values()))
        return max(SNAPSHOT_BYTES_MIN, sum(self._bytes.values()))

    def _keep(self, frame: Frame) -> None:
        self._ring.append(frame)
        self._ring_bytes += len(frame.data)
        while len(self._ring) > self._frames_max or (
            self._ring_bytes > self._ring_bytes_max and len(self._ring) > 1
        ):
            self._ring_bytes -= len(self._ring.popleft().data)


def _changes(before: Rows, after: Rows) -> bytes | None:
    """What differs, as ``{"set":{…},"del":[…]}``; None: nothing does."""
    put = {key: row for key, row in after.items() if before.get(key) != row}
    # As many as before and none of them new: then none has gone either.
    gone = [key for key in before if key not in after] if put or len(before) > len(after) else []
    parts: list[bytes] = []
    if put:
        parts.append(b'"set":' + _object(put))
    if gone:
        parts.append(b'"del":' + _encode(gone))
    return b"{%b}" % b",".join(parts) if parts else None


def _object(rows: Rows) -> bytes:
    return b"{%b}" % b",".join([b"%b:%b" % (_encode(key), row) for key, row in rows.items()])


def _time(at: float) -> bytes:
    return _encode(round(at, 3))
