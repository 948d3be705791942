"""How fast workers answered, and how far their hives are: moving averages, bounded."""

from typing import Final, NamedTuple

from rbee.queen.inference.routing import DELAY_STEP_S

NEW_PART: Final = 0.2  # of a moving average: about the last ten values count
LATE_PART: Final = 0.02  # of a way that seems longer now: a hundred connections to believe it
HALF_LIFE_S: Final = 30.0  # an average nobody fed counts half after so long: it gets tried again
KEPT_MAX: Final = 40_000  # workers, or hives: twice the largest colony


class _Mean(NamedTuple):
    seconds: float
    at: float


class Speeds:
    """Fed by every answer; asked by the policies that want it."""

    __slots__ = ("_first_bytes", "delays_s", "far")

    def __init__(self) -> None:
        self._first_bytes: dict[str, _Mean] = {}
        self.delays_s: dict[str, float] = {}  # the way to a hive, by its id
        self.far: set[str] = set()  # hives whose way is long enough to count

    def answered(self, worker_id: str, seconds: float, now: float) -> None:
        """A worker's first byte came ``seconds`` after the request was sent."""
        before = self._first_bytes.pop(worker_id, None)  # put back at the end: the youngest
        mean = seconds if before is None else _blended(before.seconds, seconds)
        self._first_bytes[worker_id] = _Mean(mean, now)
        if len(self._first_bytes) > KEPT_MAX:
            del self._first_bytes[next(iter(self._first_bytes))]

    def expected_s(self, worker_id: str, now: float) -> float | None:
        """The first byte to expect of a worker, or None when nothing was measured."""
        mean = self._first_bytes.get(worker_id)
        if mean is None:
            return None
        return mean.seconds * 0.5 ** (max(0.0, now - mean.at) / HALF_LIFE_S)

    def connected(self, hive_id: str, seconds: float) -> None:
        """A fresh connection to one of the hive's workers took so long.

        A shorter time is believed at once, a longer one slowly: what makes a connection
        late is mostly this queen's own loop, and never makes it early.
        """
        before = self.delays_s.get(hive_id)
        if before is None and len(self.delays_s) >= KEPT_MAX:
            self.delays_s.clear()
            self.far.clear()
        if before is None or seconds < before:
            self.delays_s[hive_id] = seconds
        else:
            self.delays_s[hive_id] = before + LATE_PART * (seconds - before)
        if self.delays_s[hive_id] >= DELAY_STEP_S:
            self.far.add(hive_id)
        else:
            self.far.discard(hive_id)


def _blended(before: float, now: float) -> float:
    return before + NEW_PART * (now - before)
