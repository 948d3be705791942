"""One worker for one session: consistent hashing with several probes.

Workers stand on a circle where their id's hash puts them; a session throws sixteen
darts, and the one that lands closest before a worker decides. With one point per
worker the shares stay within a few per cent of each other, a lookup costs sixteen
binary searches whatever the number of workers, and a worker that leaves moves only
its own sessions. (Multi-probe consistent hashing, Appleton and O'Reilly 2015.)
"""

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

_DARTS: Final = struct.Struct("<16I")  # one digest of 64 bytes
_CIRCLE: Final = 1 << 32


class Ring:
    """The circle of one pool; made anew when workers come or go."""

    __slots__ = ("_ids", "_points")

    def __init__(self, worker_ids: Iterable[str]) -> None:
        placed = sorted((_point(worker_id), worker_id) for worker_id in worker_ids)
        self._points = [point for point, _ in placed]
        self._ids = [worker_id for _, worker_id in placed]

    def workers(self, session: str) -> Iterator[str]:
        """The session's worker, then those that it falls back to, each once."""
        points, ids = self._points, self._ids
        if not points:
            return
        hits: list[tuple[int, int]] = []
        for dart in _DARTS.unpack(blake2b(session.encode(), digest_size=_DARTS.size).digest()):
            spot = bisect_left(points, dart) % len(points)
            hits.append(((points[spot] - dart) % _CIRCLE, spot))
        seen: set[int] = set()
        for _, spot in sorted(hits):
            if spot not in seen:
                seen.add(spot)
                yield ids[spot]


def _point(worker_id: str) -> int:
    return int.from_bytes(blake2b(worker_id.encode(), digest_size=4).digest(), "little")
