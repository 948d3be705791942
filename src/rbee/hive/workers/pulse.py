"""Tell whoever waits that something about the workers has changed.

Waiters look at the state again when they wake; a change that came while nobody
waited is not lost, because a waiter names the count that it has seen. Only the
event loop touches it, so there is no lock.
"""

import asyncio


class Pulse:
    """Counts changes and wakes those who wait for one."""

    def __init__(self) -> None:
        self.count = 0
        self._beaten = asyncio.Event()

    def beat(self) -> None:
        """Something has changed."""
        self.count += 1
        self._beaten.set()
        self._beaten = asyncio.Event()

    async def wait_after(self, seen: int) -> int:
        """Return the count once it is past ``seen``."""
        while self.count <= seen:
            await self._beaten.wait()
        return self.count
