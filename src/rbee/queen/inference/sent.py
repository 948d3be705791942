"""What a client has been sent of an answer: counted, and kept in case that it must go on.

One for each answer, whichever way it goes: ``answer`` and the door's flights feed it the same.
"""

from rbee.queen.inference.continuation import Transcript
from rbee.queen.inference.usage import WITHIN_BYTES, Usage, usage_in


class Sent:
    """``keeps``: the text is kept as a transcript, as the answer may go on elsewhere.

    ``said`` is what an earlier part of the answer left, if any.
    """

    __slots__ = ("_first", "_keeps", "_last", "events", "said")

    def __init__(self, *, keeps: bool, said: Transcript | None = None) -> None:
        self._keeps = keeps
        self._first = b""
        self._last = b""
        self.events = 0
        self.said = said

    @property
    def usage(self) -> Usage | None:
        """The usage that the answer told, once it has ended."""
        return usage_in(self._last, self._first) if self._last else None

    @property
    def last_bytes(self) -> int:
        """The size of an answer in one piece."""
        return len(self._last)

    def whole(self, data: bytes) -> None:
        """An answer in one piece, or the latest piece of one that is no event stream."""
        self._last = data

    def note(self, events: bytes) -> None:
        """Whole events that were sent, without their framing."""
        self.end(events)
        if self._keeps:
            if self.said is None:
                self.said = Transcript()
            self.said.feed(events)

    def end(self, events: bytes) -> None:
        """The last of them: nobody will go on from there, so they are counted alone.

        Their framing may still be around them.
        """
        self._first = self._first or events[:WITHIN_BYTES]
        # The usage comes before `[DONE]`, often in a read of its own.
        self._last = (self._last + events)[-WITHIN_BYTES:]
        self.events += events.count(b"\n\n")
