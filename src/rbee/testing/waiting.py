"""Waiting for a condition, with an end: the only way in which tests wait."""

import time
from collections.abc import Callable

import anyio
import anyio.lowlevel

WITHIN_S = 10.0  # far longer than anything takes; a test that fails here hangs for good
_LOOK_EVERY_S = 0.01  # adds little to the fastest condition, costs little on two cores
# Most conditions are a few turns of the loop away, and some pass again soon after: these are
# seen at once. Who waits longer waits for another process, and leaves the core to it.
_TURNS_FIRST = 100
_TURN_S = 0.001  # a fraction of what starting or asking a process takes


async def until(condition: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
    """Return as soon as ``condition()`` is true: looks each turn of the loop, then each ms.

    Raises:
        TimeoutError: it did not become true in time.
    """
    with anyio.fail_after(within_s):
        turns = 0
        while not condition():
            turns += 1
            await (anyio.lowlevel.checkpoint() if turns < _TURNS_FIRST else anyio.sleep(_TURN_S))


def until_now(condition: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
    """As ``until``, for tests without an event loop; looks every 10 ms.

    Raises:
        TimeoutError: it did not become true in time.
    """
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"the condition did not become true in {within_s} s")
        time.sleep(_LOOK_EVERY_S)
