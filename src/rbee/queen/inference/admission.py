"""The queue in front of the workers: bounded, fair, left when the client leaves.

A request that finds a free slot passes without an await (``try_admit``). Any other
one waits as a ticket in ``scheduling.demand``, where the reconciler sees it; a slot
that becomes free, or a worker that becomes ready, is given to whom
``scheduling.fairness`` names. Releases and registry changes drive the queue; once a
second it is looked over for what no event announces (a circuit that closes again).

What bounds it: places in all and for a model, and a longest wait. In a full queue a
key that holds fewer places than another takes one over from that one's latest.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from rbee.contracts.aliases import looks_like_repository, resolve_alias
from rbee.contracts.principals import PRIORITY_MAX
from rbee.errors import (
    DeadlineExceeded,
    ModelNotFound,
    NoCapacity,
    QueueFull,
    RbeeError,
    ShuttingDown,
    WorkerNotFound,
)
from rbee.queen.inference.call import Call
from rbee.queen.inference.router import Router
from rbee.queen.inference.routing import Choice, slots_of
from rbee.queen.inference.waiting import OnWait, Outlooks, Waiting
from rbee.queen.inference.wrong_task import wrong_task
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.workers import RoutableWorker
from rbee.queen.scheduling.demand import Demand, Lane, Ticket

LOOK_EVERY_S: Final = 1.0  # how late the queue notices what no event announces
GATHER_S: Final = 0.005  # changes of the colony come in bursts, one for each hive's beat

_PRIORITY_AGAIN: Final = PRIORITY_MAX + 1  # nobody can ask for it
_SERVED_S_MIN: Final = 0.0  # a clock of a test may stand still

__all__ = ["Admission", "Grant", "Limits", "OnWait", "Waiting"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The queue's bounds; wire.md gives the numbers, settings may change them."""

    waiting_max: int = 1000
    waiting_per_model_max: int = 256
    wait_max_s: float = 300.0
    tell_every_s: float = 1.0  # how often a waiting client hears of its position
    may_fetch: bool = True


class Grant:
    """A slot on a worker, until ``release``; releasing twice is harmless."""

    __slots__ = ("_admission", "_principal", "_since", "choice", "waited_s", "worker")

    def __init__(
        self, admission: "Admission", choice: Choice, call: Call, since: float, waited_s: float
    ) -> None:
        self.choice = choice
        self.worker: RoutableWorker = choice.worker
        self.waited_s = waited_s
        self._since = since
        self._principal = call.principal.id
        self._admission: Admission | None = admission

    @property
    def why(self) -> str:
        """Why this worker, in one line."""
        return self.choice.why

    def release(self, *, served: bool = True) -> None:
        """Give the slot back and wake the next one in line.

        ``served`` is false where there was no answer whose length would tell anything.
        """
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.freed(self.worker, self._principal, self._since if served else None)


class Admission:
    """Slots in use and tickets waiting; owned by the event loop, no locks."""

    def __init__(
        self,
        colony: Colony,
        demand: Demand,
        limits: Limits,
        *,
        router: Router | None = None,
        quiet: Callable[[], bool] = lambda: False,
    ) -> None:
        """``quiet`` says whether the queen still finds out what the colony has."""
        self._colony = colony
        self._demand = demand
        self._limits = limits
        self._quiet = quiet
        self.router = router or Router(colony)
        self._running: dict[str, int] = {}
        self._waiting: dict[Ticket, tuple[Call, asyncio.Future[Grant]]] = {}
        self._outlooks = Outlooks(colony, demand)
        self._timer: asyncio.TimerHandle | None = None
        self._open = True
        self.idle = asyncio.Event()  # set while no request is with a worker
        self.idle.set()
        colony.subscribe(self._colony_changed)

    def adopt(self, limits: Limits) -> None:
        """Keep other bounds from the next request on; who waits already is not sent away."""
        self._limits = limits

    @property
    def running(self) -> Mapping[str, int]:
        """Requests that are with a worker now, by its id."""
        return self._running

    def close(self) -> None:
        """Admit nobody any more and send the waiting away."""
        self._open = False
        for ticket in list(self._waiting):
            self._demand.leave(ticket)
            ticket.refuse(ShuttingDown("The queen is stopping."))

    async def admit(
        self, call: Call, on_wait: OnWait | None = None, *, again: bool = False
    ) -> Grant:
        """A slot on a worker of the wished model; waits for one if need be.

        Raises:
            RbeeError: as ``try_admit`` and ``wait``.
        """
        return self.try_admit(call) or await self.wait(call, on_wait, again=again)

    def try_admit(self, call: Call) -> Grant | None:
        """A slot now, or None: then ``wait``.

        Raises:
            ModelNotFound: no hive has it and no source is known for it.
            WorkerNotFound: the named worker does not serve it.
            InvalidRequest: the model does other work than this.
            ShuttingDown: the queen is stopping.
        """
        if not self._open:
            raise ShuttingDown("The queen is stopping.")
        model = self._colony.resolve(call.model)
        if model is None:
            self._check_unknown(call)
            return None
        if not self._demand.total or not self._demand.waits_in(model, _lane(call)):
            choice = self.router.choose(model, call, self._running)
            if choice is not None:
                return self._granted(choice, call, waited_s=0.0)
        self._check_known(model, call)
        return None

    async def wait(
        self, call: Call, on_wait: OnWait | None = None, *, again: bool = False
    ) -> Grant:
        """Stand in line for a slot, from now until the longest wait or the call's deadline.

        ``on_wait`` is awaited about once a second with the position and the ETA.
        ``again`` says that the call had its turn and lost its worker: it goes to the
        head of the line, and needs no place in it.

        Raises:
            QueueFull: the queue is at its bound, or the wait was too long.
            DeadlineExceeded: the call's own deadline came first.
            RbeeError: what the reconciler found: the model cannot be had.
            ShuttingDown: the queen is stopping.
        """
        model = self._colony.resolve(call.model) or call.model
        if not again:
            self._make_room(model, call)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Grant] = loop.create_future()

        def refuse(error: RbeeError) -> None:
            if not future.done():
                future.set_exception(error)

        ticket = Ticket(
            name=call.model,
            model=model,
            since=loop.time(),
            hive_id=call.hive_id,
            refuse=refuse,
            principal=call.principal.id,
            priority=_PRIORITY_AGAIN if again else call.priority,
            lane=_lane(call),
            cost=self._demand.service.cost(model, call.principal.id),
        )
        self._waiting[ticket] = (call, future)
        self._demand.enter(ticket)
        self._look_within(LOOK_EVERY_S)
        try:
            await self._wait_telling(ticket, future, on_wait)
            return future.result()
        except BaseException:
            # The slot may have been granted in the same turn of the loop in which the
            # client left or its deadline passed: give it back, or it is lost for ever.
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().release(served=False)
            raise
        finally:
            self._demand.leave(ticket)
            del self._waiting[ticket]

    def freed(self, worker: RoutableWorker, principal: str, since: float | None) -> None:
        """A grant was given back: count it, note its length, serve the next one in line."""
        worker_id = worker.worker_id
        left = self._running.get(worker_id, 0) - 1
        if left > 0:
            self._running[worker_id] = left
        else:
            self._running.pop(worker_id, None)
            if not self._running:
                self.idle.set()
        if since is not None:
            seconds = max(_SERVED_S_MIN, asyncio.get_running_loop().time() - since)
            self._demand.service.note(worker.model, principal, seconds)
        if left + 1 >= slots_of(worker):  # only who was full may have left the router's list
            self.router.freed(worker)
        if self._demand.total:
            self._serve(worker.model, freed=worker_id)

    # ── granting ─────────────────────────────────────────────────────────────

    def _granted(self, choice: Choice, call: Call, *, waited_s: float) -> Grant:
        worker_id = choice.worker.worker_id
        self._running[worker_id] = self._running.get(worker_id, 0) + 1
        self.idle.clear()
        return Grant(self, choice, call, asyncio.get_running_loop().time(), waited_s)

    def _serve(self, model: str, *, freed: str | None = None) -> None:
        """Give free slots to those whose turn it is; with ``freed``, the one that it gave back."""
        now = asyncio.get_running_loop().time()
        blocked: set[Lane] = set()
        if freed is not None:
            lanes = self._demand.lanes(model)
            blocked = {lane for lane in lanes if lane.worker_id not in {None, freed}}
        while (ticket := self._demand.first(model, now, blocked)) is not None:
            call, future = self._waiting[ticket]
            choice = self.router.choose(model, call, self._running)
            if choice is None:
                blocked.add(ticket.lane)
                continue
            self._demand.serve(ticket)
            if not future.done():  # else its client is about to leave
                future.set_result(self._granted(choice, call, waited_s=now - ticket.since))
                if freed is not None:
                    return

    def _colony_changed(self) -> None:
        if self._demand.total:
            self._look_within(GATHER_S)

    def _look_within(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + delay_s:
                return
            self._timer.cancel()
        self._timer = loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        """Look the whole queue over: names that became models, slots that became free."""
        self._timer = None
        for name in self._demand.models():
            model = self._colony.resolve(name)
            if model is not None and model != name:
                self._demand.rename(name, model)
        self._outlooks.look(asyncio.get_running_loop().time())
        for model in self._demand.models():
            self._serve(model)
        if self._demand.total:
            self._look_within(LOOK_EVERY_S)

    # ── refusing ─────────────────────────────────────────────────────────────

    def _check_unknown(self, call: Call) -> None:
        """A model that no hive has may still be fetched, or be a hive's that was not heard yet."""
        fetchable = resolve_alias(call.model) or looks_like_repository(call.model)
        if not (fetchable and self._limits.may_fetch) and not self._quiet():
            raise ModelNotFound(f"No hive has the model {call.model!r}.", param="model")

    def _check_known(self, model: str, call: Call) -> None:
        """Refuse what no slot that becomes free would ever serve.

        Labels choose among what runs; placement starts nothing for them.
        """
        serving = self._colony.serving(model)
        if call.worker_id is not None and all(
            worker.worker_id != call.worker_id for worker in serving
        ):
            raise WorkerNotFound(f"No worker {call.worker_id!r} serves {model!r} now.")
        if call.labels and not any(call.labels <= worker.labels for worker in serving):
            wanted = ", ".join(sorted(call.labels))
            raise NoCapacity(
                f"No worker of {model!r} runs on a hive with the labels {wanted}.",
                remedy="Start one there (`rbee worker spawn`), or ask without X-Labels; a hive's "
                "labels stand in its settings.",
            )
        if call.task != self._colony.usual_task(model) and not (
            any(worker.task == call.task for worker in serving)
            or self._colony.coming(model, call.task)
        ):
            raise wrong_task(model, call.task, self._colony.usual_task(model))

    def _make_room(self, model: str, call: Call) -> None:
        """Find a place in line, or take one over from a key that holds more.

        Raises:
            QueueFull: there is none.
        """
        total = self._demand.total >= self._limits.waiting_max
        if not total and self._demand.waiting(model) < self._limits.waiting_per_model_max:
            return
        if total:
            full = f"{self._limits.waiting_max} requests wait already."
        else:
            full = f"{self._limits.waiting_per_model_max} requests wait for {model!r} already."
        ticket = self._demand.yielding(call.principal.id, None if total else model)
        if ticket is None:
            raise QueueFull(full, retry_after_s=self._outlooks.retry_after_s(model, _lane(call)))
        self._demand.leave(ticket)
        retry_s = self._outlooks.retry_after_s(ticket.model, ticket.lane)
        ticket.refuse(
            QueueFull(
                f"{full} This one made room for another key's, as its key holds the most places.",
                retry_after_s=retry_s,
            )
        )

    # ── waiting ──────────────────────────────────────────────────────────────

    async def _wait_telling(
        self, ticket: Ticket, future: "asyncio.Future[Grant]", on_wait: OnWait | None
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = self._waiting[ticket][0].deadline_s
        longest_s = min(self._limits.wait_max_s, deadline_s or self._limits.wait_max_s)
        while not future.done():
            waited_s = loop.time() - ticket.since
            if waited_s >= longest_s:
                raise self._too_long(ticket, waited_s, deadline_s)
            timeout_s = longest_s - waited_s
            if on_wait is not None:
                await on_wait(self._outlooks.told(ticket, waited_s))
                timeout_s = min(self._limits.tell_every_s, timeout_s)
            await asyncio.wait({future}, timeout=timeout_s)

    def _too_long(self, ticket: Ticket, waited_s: float, deadline_s: float | None) -> RbeeError:
        said = f"No worker for {ticket.name!r} became free in {waited_s:.0f} s"
        if deadline_s is not None and waited_s >= deadline_s:
            return DeadlineExceeded(f"{said}, the request's deadline.")
        retry_s = self._outlooks.retry_after_s(ticket.model, ticket.lane)
        return QueueFull(f"{said}.", retry_after_s=retry_s)


def _lane(call: Call) -> Lane:
    return Lane(call.task, call.worker_id, call.labels)
