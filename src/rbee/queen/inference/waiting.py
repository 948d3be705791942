"""What those who wait are told: their position, why they wait, and when it will be their turn.

Admission asks for every waiting client once a second, and for a refused one when to
come back. The numbers are of ``scheduling.eta``, from answers and loads that were
measured; this module gathers what they are reckoned from, once a second for all who
wait alike, because it looks at all workers of a model.
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias

import msgspec

from rbee.queen.inference.routing import slots_of
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.demand import Demand, Lane, Ticket
from rbee.queen.scheduling.eta import load_eta_s, retry_after_s, turn_eta_s

SLOTS_EXPECTED: Final = 4  # of a worker that is still loading: the hives' own default (wire.md)


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What a waiting client is told. ``eta_s`` is null until answers or loads were measured."""

    position: int
    waited_s: float
    reason: str
    eta_s: float | None = None


OnWait: TypeAlias = Callable[[Waiting], Awaitable[None]]


class _Outlook(NamedTuple):
    """What those who wait in one lane have to expect."""

    reason: str
    slots: int
    mean_s: float | None
    loading_since: float | None
    load_s: float | None


class Outlooks:
    """What is told, from the colony and the queue. ``look`` makes it look anew."""

    def __init__(self, colony: Colony, demand: Demand) -> None:
        self._colony = colony
        self._demand = demand
        self._found: dict[tuple[str, Lane], _Outlook] = {}
        self._loading_since: dict[str, float] = {}

    def look(self, now: float) -> None:
        """Forget what was seen, and note since when models load. ``now`` is the tickets' clock."""
        self._found.clear()
        self._loading_since = {
            model: self._loading_since.get(model, now)
            for model in self._demand.models()
            if any(self._colony.coming(model, lane.task) for lane in self._demand.lanes(model))
        }

    def told(self, ticket: Ticket, waited_s: float) -> Waiting:
        """What a waiting client is told now."""
        outlook = self._of(ticket.model, ticket.lane)
        position = self._demand.position(ticket)
        if outlook.slots:
            eta_s = turn_eta_s(position, outlook.slots, outlook.mean_s)
        else:
            since = ticket.since if outlook.loading_since is None else outlook.loading_since
            eta_s = load_eta_s(
                position,
                SLOTS_EXPECTED,
                outlook.mean_s,
                load_s=outlook.load_s,
                loading_for_s=ticket.since + waited_s - since,
            )
        return Waiting(
            position=position,
            waited_s=round(waited_s, 3),
            reason=outlook.reason,
            eta_s=None if eta_s is None else round(eta_s, 1),
        )

    def retry_after_s(self, model: str, lane: Lane) -> int:
        """When a client that found the queue full should come back, in whole seconds."""
        outlook = self._of(model, lane)
        return retry_after_s(self._demand.waiting(model), outlook.slots, outlook.mean_s)

    def _of(self, model: str, lane: Lane) -> _Outlook:
        found = self._found.get((model, lane))
        if found is None:
            found = self._found[model, lane] = self._looked(model, lane)
        return found

    def _looked(self, model: str, lane: Lane) -> _Outlook:
        able = [
            worker
            for worker in self._colony.serving(model)
            if worker.task == lane.task and lane.worker_id in {None, worker.worker_id}
        ]
        facts = self._colony.facts(model)
        if able:
            reason = f"all slots of {len(able)} worker(s) are in use"
        elif self._colony.coming(model, lane.task):
            reason = "the model is loading"
        else:
            reason = "no worker has this model yet"
        return _Outlook(
            reason=reason,
            slots=sum(slots_of(worker) for worker in able),
            mean_s=self._demand.service.mean_s(model),
            loading_since=self._loading_since.get(model),
            load_s=None if facts is None else facts.load_s,
        )
