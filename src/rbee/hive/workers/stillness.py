"""When an engine hangs: it answers, has work, and makes nothing of it.

A pure rule over the looks that ``tasks.attend`` takes each second. The engine's
own counters say whether it moves: any change of them is life, be it a token, a
step through a long prompt or a request that came or went. An engine that does
not answer at all may only be deep in a batch or swapped out, so silence is borne
much longer. Idle and answering is never a hang.
"""

from typing import Final

from rbee.hive.engines.engine import Reading

SILENT_FACTOR: Final = 5  # one batch of a long prompt for 70B on a slow CPU takes some 5 min


class Stillness:
    """The looks at one generation of a worker. ``hang_s`` is how long it may stand still."""

    def __init__(self, hang_s: float, now_s: float) -> None:
        self._hang_s = hang_s
        self._moved_s = now_s
        self._answered_s = now_s
        self._before: Reading | None = None

    def look(self, reading: Reading, now_s: float) -> str | None:
        """Take a look at ``now_s`` (monotonic); why it is taken for hung, or None."""
        before = self._before
        answered = reading.slots_busy is not None
        if answered:
            self._answered_s = now_s
            self._before = reading
        silent_s = now_s - self._answered_s
        if silent_s > self._hang_s * SILENT_FACTOR:
            return f"it told nothing of itself for {silent_s:.0f} s"
        if not answered or not reading.slots_busy or before is None or _moved(before, reading):
            # While it is silent the clock of its work stands: unknown is not dead.
            self._moved_s = now_s
            return None
        still_s = now_s - self._moved_s
        if still_s > self._hang_s:
            return f"it had {reading.slots_busy} requests and made no token for {still_s:.0f} s"
        return None


def _moved(before: Reading, after: Reading) -> bool:
    """Whether its counters tell of work; an engine without counters is never judged."""
    if after.tokens_total is None and after.steps is None:
        return True
    return (before.tokens_total, before.steps, before.slots_busy) != (
        after.tokens_total,
        after.steps,
        after.slots_busy,
    )
