"""A slow line in user space: Ethernet frames between two TAP devices, each held for a while.

The kernel's own means (netem) is not everywhere. It runs alone, in the switch's space, as
``python -I -S slow_line.py TAP TAP DELAY_S JITTER_S SEED``, and imports nothing of rbee. Frames
stay in order, as on a real line: jitter stretches the gaps, it does not shuffle.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time
from typing import Final

_TUNSETIFF: Final = 0x400454CA  # linux/if_tun.h
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000  # frames alone, without a header that says what they are
_FRAME_BYTES_MAX: Final = 65536  # an Ethernet frame is 1,514; the kernel never hands out more
# More waiting frames than a second of a gigabit: then the line drops, as a real one does.
_WAITING_MAX: Final = 100_000
READY: Final = b"ready\n"


def tap(name: str) -> int:
    """Open the TAP device ``name``; it exists already."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    wish = struct.pack("16sH14x", name.encode(), _IFF_TAP | _IFF_NO_PI)
    fcntl.ioctl(descriptor, _TUNSETIFF, wish)
    return descriptor


class Line:
    """What is on its way between two ends, and when it arrives."""

    def __init__(self, ends: tuple[int, int], delay_s: float, jitter_s: float, seed: int) -> None:
        self._other = {ends[0]: ends[1], ends[1]: ends[0]}
        self._delay_s = delay_s
        self._jitter_s = jitter_s
        self._random = random.Random(seed)  # noqa: S311  repeatable, and guards nothing
        self._last_s = dict.fromkeys(ends, 0.0)
        self._way: list[tuple[float, int, int, bytes]] = []
        self._number = 0

    def take(self, end: int) -> None:
        """Read all frames that wait at one end and put them on their way."""
        now = time.monotonic()
        to = self._other[end]
        while True:
            try:
                frame = os.read(end, _FRAME_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError:  # the device was removed: the line has been taken out
                raise SystemExit from None
            if len(self._way) >= _WAITING_MAX:
                continue  # dropped
            wobble = self._random.uniform(-self._jitter_s, self._jitter_s)
            due = max(now + self._delay_s + wobble, self._last_s[to])
            self._last_s[to] = due
            self._number += 1
            heapq.heappush(self._way, (due, self._number, to, frame))

    def give(self) -> float | None:
        """Deliver what is due; the answer is how long nothing will be, None: nothing waits."""
        while self._way:
            wait_s = self._way[0][0] - time.monotonic()
            if wait_s > 0:
                return wait_s
            _, _, to, frame = heapq.heappop(self._way)
            try:
                os.write(to, frame)
            except OSError:
                continue  # the far end is down or full: a frame is lost
        return None


def main(first: str, second: str, delay_s: str, jitter_s: str, seed: str) -> None:
    """Carry frames until killed."""
    ends = (tap(first), tap(second))
    line = Line(ends, float(delay_s), float(jitter_s), int(seed))
    poll = select.poll()
    for end in ends:
        poll.register(end, select.POLLIN)
    os.write(1, READY)
    while True:
        wait_s = line.give()
        for end, _ in poll.poll(None if wait_s is None else wait_s * 1000):
            line.take(end)


if __name__ == "__main__":
    main(*sys.argv[1:])
