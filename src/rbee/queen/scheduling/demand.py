"""Who waits for which model: where the data plane and the control plane meet.

Admission enters a ticket for every request that found no free slot and takes it
out again; the reconciler reads what is wanted and refuses what cannot be had.
Pure bookkeeping: no clock, no waiting.
"""

from collections.abc import Callable

import msgspec

from rbee.errors import RbeeError


class Ticket:
    """One waiting request.

    ``model`` is the model's id, or the name asked for while no hive knows it;
    ``since`` is in seconds of the loop's clock.
    """

    __slots__ = ("hive_id", "model", "name", "refuse", "since")

    def __init__(
        self,
        *,
        name: str,
        model: str,
        since: float,
        hive_id: str | None,
        refuse: Callable[[RbeeError], None],
    ) -> None:
        self.name = name
        self.model = model
        self.since = since
        self.hive_id = hive_id
        self.refuse = refuse


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the reconciler sees of a model's queue."""

    model: str
    waiting: int
    oldest_since: float
    hive_id: str | None


class Demand:
    """All waiting tickets, by model, oldest first."""

    def __init__(self) -> None:
        self._tickets: dict[str, list[Ticket]] = {}
        self._total = 0
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever a ticket comes in."""
        self._listeners.append(listener)

    def enter(self, ticket: Ticket) -> None:
        """Add a ticket at the end of its model's queue."""
        self._tickets.setdefault(ticket.model, []).append(ticket)
        self._total += 1
        for listener in self._listeners:
            listener()

    def leave(self, ticket: Ticket) -> None:
        """Take a ticket out; doing it twice is harmless."""
        queue = self._tickets.get(ticket.model)
        if queue is None or ticket not in queue:
            return
        queue.remove(ticket)
        self._total -= 1
        if not queue:
            del self._tickets[ticket.model]

    def rename(self, ticket: Ticket, model: str) -> None:
        """The name a ticket waits under turned out to mean ``model``."""
        self.leave(ticket)
        ticket.model = model
        self.enter(ticket)

    def refuse(self, model: str, error: RbeeError) -> None:
        """Fail every ticket of a model: nothing can be had for it."""
        for ticket in self.queue(model):
            self.leave(ticket)
            ticket.refuse(error)

    def queue(self, model: str) -> list[Ticket]:
        """A model's tickets, oldest first."""
        return list(self._tickets.get(model, ()))

    def position(self, ticket: Ticket) -> int:
        """How many stand before this ticket, plus one."""
        queue = self._tickets.get(ticket.model, [])
        return queue.index(ticket) + 1 if ticket in queue else 0

    def waiting(self, model: str) -> int:
        """How many wait for a model."""
        return len(self._tickets.get(model, ()))

    @property
    def total(self) -> int:
        """How many wait in the whole colony."""
        return self._total

    def models(self) -> list[str]:
        """The models that somebody waits for."""
        return list(self._tickets)

    def wanted(self) -> list[Wanted]:
        """What is wanted, the longest wait first."""
        rows = [
            Wanted(
                model=model,
                waiting=len(queue),
                oldest_since=queue[0].since,
                hive_id=queue[0].hive_id,
            )
            for model, queue in self._tickets.items()
        ]
        return sorted(rows, key=lambda row: row.oldest_since)
