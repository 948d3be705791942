"""Who waits for which model: where the data plane and the control plane meet.

Admission enters a ticket for every request that found no free slot and takes it
out again, in the fair order of ``fairness``; the reconciler reads what is wanted
and how long answers take, and refuses what cannot be had. Pure bookkeeping: no
clock, no waiting. Nothing here looks at all tickets but what is said to.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from rbee.contracts.workers import Task
from rbee.errors import RbeeError
from rbee.queen.scheduling.eta import ServiceTimes
from rbee.queen.scheduling.fairness import FairLine, who_yields


class Lane(NamedTuple):
    """What a ticket can be served by: tickets of one lane have a slot free for all or none."""

    task: Task
    worker_id: str | None
    labels: frozenset[str]


class Ticket:
    """One waiting request.

    ``model`` is the model's id, or the name asked for while no hive knows it;
    ``since`` is in seconds of the loop's clock, ``cost`` in average answers.
    """

    __slots__ = (
        "cost",
        "hive_id",
        "lane",
        "model",
        "name",
        "principal",
        "priority",
        "refuse",
        "since",
    )

    def __init__(
        self,
        *,
        name: str,
        model: str,
        since: float,
        hive_id: str | None,
        refuse: Callable[[RbeeError], None],
        principal: str,
        priority: int,
        lane: Lane,
        cost: float = 1.0,
    ) -> None:
        self.name = name
        self.model = model
        self.since = since
        self.hive_id = hive_id
        self.refuse = refuse
        self.principal = principal
        self.priority = priority
        self.lane = lane
        self.cost = cost


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the reconciler sees of a model's queue.

    ``hive_id`` is the wish of whoever waits longest, ``priority`` the highest.
    """

    model: str
    waiting: int
    oldest_since: float
    hive_id: str | None
    priority: int = 0


class Demand:
    """All waiting tickets, by model. ``service`` is how long answers were seen to take."""

    def __init__(self) -> None:
        self._lines: dict[str, FairLine[Ticket, Lane]] = {}
        self._held: dict[str, int] = {}
        self._listeners: list[Callable[[], None]] = []
        self.total = 0  # how many wait in the whole colony
        self.service = ServiceTimes()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever a ticket comes in."""
        self._listeners.append(listener)

    def enter(self, ticket: Ticket) -> None:
        """Add a ticket to its model's queue."""
        line = self._lines.get(ticket.model)
        if line is None:
            line = self._lines[ticket.model] = FairLine()
        line.enter(
            ticket,
            principal=ticket.principal,
            priority=ticket.priority,
            lane=ticket.lane,
            since=ticket.since,
            cost=ticket.cost,
        )
        self.total += 1
        self._held[ticket.principal] = self._held.get(ticket.principal, 0) + 1
        for listener in self._listeners:
            listener()

    def leave(self, ticket: Ticket) -> None:
        """Take a ticket out, unserved; doing it twice is harmless."""
        line = self._lines.get(ticket.model)
        if line is not None and line.leave(ticket):
            self._left(line, ticket)

    def first(
        self, model: str, now: float, blocked: "set[Lane] | frozenset[Lane]" = frozenset()
    ) -> Ticket | None:
        """Who is served next for a model, of the lanes that are not ``blocked``."""
        line = self._lines.get(model)
        return None if line is None else line.first(now, blocked)

    def serve(self, ticket: Ticket) -> None:
        """Take out a ticket that was given its slot."""
        line = self._lines[ticket.model]
        line.serve(ticket)
        self._left(line, ticket)

    def rename(self, name: str, model: str) -> None:
        """The name that tickets wait under turned out to mean ``model``. Looks at all of them."""
        for ticket in sorted(self._lines.get(name, ()), key=lambda ticket: ticket.since):
            self.leave(ticket)
            ticket.model = model
            self.enter(ticket)

    def refuse(self, model: str, error: RbeeError) -> None:
        """Fail every ticket of a model: nothing can be had for it."""
        for ticket in list(self._lines.get(model, ())):
            self.leave(ticket)
            ticket.refuse(error)

    def yielding(self, principal: str, model: str | None = None) -> Ticket | None:
        """Whose ticket gives up its place to ``principal``, in a model's queue or the colony's.

        None: nobody holds that many more places. Looks at all who hold one.
        """
        if model is not None:
            line = self._lines.get(model)
            holder = None if line is None else who_yields(line.held, principal)
            return None if line is None or holder is None else line.newest_of(holder)
        holder = who_yields(self._held, principal)
        if holder is None:
            return None
        longest = max(self._lines.values(), key=lambda line: line.held.get(holder, 0))
        return longest.newest_of(holder)

    def position(self, ticket: Ticket) -> int:
        """How many are served until this ticket is, itself included; 0 when it is not here."""
        line = self._lines.get(ticket.model)
        return 0 if line is None else line.position(ticket)

    def waiting(self, model: str) -> int:
        """How many wait for a model."""
        line = self._lines.get(model)
        return 0 if line is None else len(line)

    def waits_in(self, model: str, lane: Lane) -> bool:
        """Whether somebody waits in a lane of a model's queue."""
        line = self._lines.get(model)
        return line is not None and lane in line.lanes

    def lanes(self, model: str) -> frozenset[Lane]:
        """The lanes of a model's queue in which somebody waits."""
        line = self._lines.get(model)
        return frozenset() if line is None else frozenset(line.lanes)

    def models(self) -> list[str]:
        """The models that somebody waits for."""
        return list(self._lines)

    @property
    def held(self) -> Mapping[str, int]:
        """How many wait for each principal."""
        return self._held

    def oldest_since(self, model: str) -> float | None:
        """Since when somebody waits for a model; None when nobody does."""
        line = self._lines.get(model)
        oldest = None if line is None else line.oldest()
        return None if oldest is None else oldest.since

    def wanted(self) -> list[Wanted]:
        """What is wanted, the longest wait first."""
        rows: list[Wanted] = []
        for model, line in self._lines.items():
            oldest = line.oldest()
            if oldest is not None:
                rows.append(
                    Wanted(
                        model=model,
                        waiting=len(line),
                        oldest_since=oldest.since,
                        hive_id=oldest.hive_id,
                        priority=line.priority,
                    )
                )
        return sorted(rows, key=lambda row: row.oldest_since)

    def _left(self, line: FairLine[Ticket, Lane], ticket: Ticket) -> None:
        self.total -= 1
        self._held[ticket.principal] -= 1
        if not self._held[ticket.principal]:
            del self._held[ticket.principal]
        if not line:
            del self._lines[ticket.model]
