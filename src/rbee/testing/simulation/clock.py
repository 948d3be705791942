"""An event loop whose clock jumps: nothing waits, and a quarter of an hour takes seconds.

When nothing is ready the clock moves to the next timer. No socket, file or thread may
take part: there is nothing to wait for them with. Two runs with the same seed make the
same steps, because only timers and callbacks decide what comes next.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

STARTS_AT_S: Final = 1_000.0  # not 0: "never yet" must not look like "just now"

STEP_S: Final = 1e-7
"""What a turn of the loop takes. Where it took nothing, a wait that is over but for the
last digit of a float would be waited for again and again, at one and the same instant."""


class Deadlock(Exception):
    """Somebody waits for what cannot come: nothing is ready and no timer is set."""


class _Jumps(selectors.DefaultSelector):
    """A selector that never waits: it moves the clock by what it was to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.jump: Callable[[float], None] = lambda _seconds: None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing is ever ready.

        Raises:
            Deadlock: there is no timer to jump to.
        """
        if timeout is None:
            raise Deadlock("Everybody waits and no timer is set.")
        self.jump(max(timeout, STEP_S))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop with a clock of its own; ``stall`` lets time pass without anybody's doing."""

    def __init__(self) -> None:
        self._virtual_now = STARTS_AT_S
        jumps = _Jumps()
        super().__init__(jumps)
        jumps.jump = self.stall

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual_now

    def stall(self, seconds: float) -> None:
        """Move the clock: as a stopped process finds it when it goes on."""
        self._virtual_now += seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end in a loop with virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
