"""How often strangers may knock: a bucket for each address, and one for all. Pure.

The join route is the one that costs the queen something (an elliptic-curve check, a
signature: about 0.2 ms) before she knows who asks. ``now`` is monotonic time in seconds.
"""

from collections import OrderedDict
from typing import Final

from rbee.errors import RateLimited

PER_ADDRESS_BURST: Final = 40.0  # a rack behind one router, started at once
PER_ADDRESS_PER_S: Final = 5.0  # 15 hives that wait for approval and ask every three seconds
ALL_BURST: Final = 200.0
ALL_PER_S: Final = 50.0  # 1 % of a core
ADDRESSES_MAX: Final = 4096  # remembered; the one that was silent longest is forgotten first


class Pace:
    """Buckets that fill with time."""

    def __init__(self) -> None:
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._all = (ALL_BURST, 0.0)

    def knock(self, address: str, now: float) -> None:
        """Take one from both buckets.

        Raises:
            RateLimited: one of them is empty.
        """
        level = _filled(self._levels.pop(address, None), now, PER_ADDRESS_BURST, PER_ADDRESS_PER_S)
        total = _filled(self._all, now, ALL_BURST, ALL_PER_S)
        allowed = level >= 1 and total >= 1
        cost = 1.0 if allowed else 0.0
        self._levels[address] = (level - cost, now)
        self._all = (total - cost, now)
        if len(self._levels) > ADDRESSES_MAX:
            self._levels.popitem(last=False)
        if not allowed:
            raise RateLimited(
                "Too many hives try to join at once.",
                retry_after_s=2,
                remedy="It tries again by itself; otherwise wait a few seconds.",
            )


def _filled(before: tuple[float, float] | None, now: float, burst: float, per_s: float) -> float:
    if before is None:
        return burst
    level, at = before
    return min(burst, level + (now - at) * per_s)
