"""Stop rules across the seam between two legs.

Each engine looks for stop strings in its own text only. Where the first one had
sent the beginning of a stop string before it died (llama.cpp holds such a
beginning back, other engines do not), the second one would not see the whole.
So the text around the seam is searched here: a stop string counts when it
begins before the seam and ends behind it. Those that lie behind the seam
altogether are the second engine's to find.
"""

from collections.abc import Sequence


class SeamStops:
    """Lets text through, holding back what may be the end of a stop string at the seam."""

    __slots__ = ("_held", "_stops", "_tail", "stopped")

    def __init__(self, stops: Sequence[str], said: str) -> None:
        longest = max((len(stop) for stop in stops), default=0)
        self._tail = said[-(longest - 1) :] if longest > 1 else ""
        self._stops = tuple(stops) if self._tail else ()
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """The text that may go on; after ``stopped`` nothing does."""
        if self.stopped:
            return ""
        if not self._stops:
            return text
        self._held += text
        window = self._tail + self._held
        seam = len(self._tail)
        # Only where it ends behind the seam: earlier ones were the first engine's to find.
        starts = [window.find(stop, max(0, seam - len(stop) + 1)) for stop in self._stops]
        if any(0 <= start < seam for start in starts):
            # Its beginning is with the client already; what is held is the rest of it.
            self.stopped = True
            return ""
        if any(self._may_end(window, start) for start in range(seam)):
            return ""
        self._stops = ()
        return self.rest()

    def rest(self) -> str:
        """What is still held, at the end of the answer."""
        held, self._held = self._held, ""
        return held

    def _may_end(self, window: str, start: int) -> bool:
        """Whether the window's end, from ``start`` on, is the beginning of a stop string."""
        begun = window[start:]
        return any(len(begun) < len(stop) and stop.startswith(begun) for stop in self._stops)
