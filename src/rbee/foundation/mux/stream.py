"""One stream of a link: what it may send, what it may still be sent, and who reads it."""

from typing import Protocol


class Owner(Protocol):
    """Who is at this end of a stream."""

    def taken(self, data: bytes) -> None:
        """Bytes came. They count against the peer's credit until ``Mux.consume`` is called."""
        ...

    def ended(self) -> None:
        """The peer sends nothing more; this side still may."""
        ...

    def lost(self, error: ConnectionError) -> None:
        """The stream is over in both directions, not by this side's doing."""
        ...

    def drained(self) -> None:
        """Less than ``OUTBOX_LOW_BYTES`` wait to be sent."""
        ...


class Stream:
    """State of one stream at one end. ``Mux`` alone changes it.

    ``credit`` are bytes that may be sent, ``allowed`` bytes that the peer may send,
    ``used`` those that were consumed and not yet given back to it as credit.
    """

    __slots__ = (
        "allowed",
        "credit",
        "ended_in",
        "ended_out",
        "ending",
        "number",
        "outbox",
        "owner",
        "queued",
        "target",
        "used",
    )

    def __init__(self, number: int, target: str, window: int) -> None:
        self.number = number
        self.target = target
        self.owner: Owner | None = None
        self.credit = window
        self.allowed = window
        self.used = 0
        self.outbox = bytearray()
        self.queued = False  # whether it stands in the mux's round
        self.ending = False  # END follows when the outbox is empty
        self.ended_in = False
        self.ended_out = False
