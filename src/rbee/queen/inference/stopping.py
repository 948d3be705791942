"""How somebody else ends what a task does: it is cancelled, and knows why afterwards.

A task can be cancelled for several reasons at once (its client left, the queen stops). Only
where this was the one reason does the error take the cancellation's place.
"""

import asyncio

from rbee.errors import RbeeError


class Stopping:
    """Made by the task that may be ended; ``stop`` is for others."""

    __slots__ = ("_error", "_task")

    def __init__(self) -> None:
        """It is about the task that runs now."""
        self._task = asyncio.current_task()
        self._error: RbeeError | None = None

    def stop(self, error: RbeeError) -> None:
        """End it, wherever it waits; it is to tell its client ``error``."""
        if self._task is not None:
            self._error = error
            self._task.cancel()

    def cause(self, error: BaseException | None) -> RbeeError | None:
        """Why it was ended, if it was that and nothing else which cancelled the task."""
        if self._error is None or not isinstance(error, asyncio.CancelledError):
            return None
        if self._task is None or self._task.uncancel():
            return None  # the client has left as well, or the queen is stopping
        return self._error
