"""The queue in front of the workers: bounded, in order, left when the client leaves.

A request that finds a free slot passes without an await. Any other one waits as
a ticket in ``scheduling.demand``, where the reconciler sees it; a slot that
becomes free, or a worker that becomes ready, is given to the oldest ticket of
its model. Nothing is polled: releases and registry changes drive the queue.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from rbee.contracts.aliases import looks_like_repository, resolve_alias
from rbee.contracts.workers import Task
from rbee.errors import (
    InvalidRequest,
    ModelNotFound,
    QueueFull,
    RbeeError,
    ShuttingDown,
    WorkerNotFound,
)
from rbee.queen.inference.routing import Choice, choose
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.workers import RoutableWorker
from rbee.queen.scheduling.demand import Demand, Ticket


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The queue's bounds; wire.md gives the numbers, settings may change them."""

    waiting_max: int = 1000
    waiting_per_model_max: int = 256
    wait_max_s: float = 300.0
    tell_every_s: float = 1.0  # how often a waiting client hears of its position
    may_fetch: bool = True


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What a waiting client is told. ``eta_s`` is null until loads were measured."""

    position: int
    waited_s: float
    reason: str
    eta_s: float | None = None


OnWait: TypeAlias = Callable[[Waiting], Awaitable[None]]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a request wants of routing. ``model`` is the name that the client used."""

    model: str
    task: Task = "generate"
    hive_id: str | None = None
    worker_id: str | None = None


class Grant:
    """A slot on a worker, until ``release``; releasing twice is harmless."""

    __slots__ = ("_release", "waited_s", "why", "worker")

    def __init__(self, choice: Choice, waited_s: float, release: Callable[[str], None]) -> None:
        self.worker: RoutableWorker = choice.worker
        self.why = choice.why
        self.waited_s = waited_s
        self._release: Callable[[str], None] | None = release

    def release(self) -> None:
        """Give the slot back and wake the next one in line."""
        release, self._release = self._release, None
        if release is not None:
            release(self.worker.worker_id)


class Admission:
    """Slots in use and tickets waiting; owned by the event loop, no locks."""

    def __init__(
        self,
        colony: Colony,
        demand: Demand,
        limits: Limits,
        *,
        quiet: Callable[[], bool] = lambda: False,
    ) -> None:
        """``quiet`` says whether the queen still finds out what the colony has."""
        self._colony = colony
        self._demand = demand
        self._limits = limits
        self._quiet = quiet
        self._running: dict[str, int] = {}
        self._futures: dict[Ticket, asyncio.Future[Grant]] = {}
        self._wishes: dict[Ticket, Wish] = {}
        self._turn = 0
        self._open = True
        self.idle = asyncio.Event()  # set while no request is with a worker
        self.idle.set()
        colony.subscribe(self._serve_waiting)

    def close(self) -> None:
        """Admit nobody any more and send the waiting away."""
        self._open = False
        for ticket in list(self._futures):
            self._demand.leave(ticket)
            ticket.refuse(ShuttingDown("The queen is stopping."))

    async def admit(self, wish: Wish, on_wait: OnWait | None = None) -> Grant:
        """A slot on a worker of the wished model; waits for one if need be.

        Raises:
            ModelNotFound: no hive has it and no source is known for it.
            WorkerNotFound: the named worker does not serve it.
            QueueFull: the queue is at its bound, or the wait was too long.
            RbeeError: what the reconciler found: the model cannot be had.
            ShuttingDown: the queen is stopping.
        """
        if not self._open:
            raise ShuttingDown("The queen is stopping.")
        model = self._known_model(wish)
        if not self._demand.waiting(model):
            choice = self._choose(model, wish)
            if choice is not None:
                return self._grant(choice, waited_s=0.0)
        return await self._wait(model, wish, on_wait)

    def _known_model(self, wish: Wish) -> str:
        model = self._colony.resolve(wish.model)
        if model is None:
            fetchable = resolve_alias(wish.model) or looks_like_repository(wish.model)
            if not (fetchable and self._limits.may_fetch) and not self._quiet():
                raise ModelNotFound(f"No hive has the model {wish.model!r}.", param="model")
            return wish.model
        serving = self._colony.serving(model)
        if wish.worker_id is not None and all(
            worker.worker_id != wish.worker_id for worker in serving
        ):
            raise WorkerNotFound(f"No worker {wish.worker_id!r} serves {model!r} now.")
        if wish.task != self._colony.usual_task(model) and not (
            any(worker.task == wish.task for worker in serving)
            or self._colony.coming(model, wish.task)
        ):
            raise _wrong_task(model, wish.task)
        return model

    def _choose(self, model: str, wish: Wish) -> Choice | None:
        self._turn += 1
        return choose(
            self._colony.serving(model),
            self._running,
            turn=self._turn,
            task=wish.task,
            hive_id=wish.hive_id,
            worker_id=wish.worker_id,
        )

    def _grant(self, choice: Choice, *, waited_s: float) -> Grant:
        worker_id = choice.worker.worker_id
        self._running[worker_id] = self._running.get(worker_id, 0) + 1
        self.idle.clear()
        return Grant(choice, waited_s, self._release)

    def _release(self, worker_id: str) -> None:
        left = self._running.get(worker_id, 0) - 1
        if left > 0:
            self._running[worker_id] = left
        else:
            self._running.pop(worker_id, None)
            if not self._running:
                self.idle.set()
        if self._futures:
            self._serve_waiting()

    async def _wait(self, model: str, wish: Wish, on_wait: OnWait | None) -> Grant:
        self._check_room(model)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Grant] = loop.create_future()
        started = loop.time()

        def refuse(error: RbeeError) -> None:
            if not future.done():
                future.set_exception(error)

        ticket = Ticket(
            name=wish.model, model=model, since=started, hive_id=wish.hive_id, refuse=refuse
        )
        self._futures[ticket] = future
        self._wishes[ticket] = wish
        self._demand.enter(ticket)
        try:
            await self._wait_telling(ticket, future, on_wait)
            return future.result()
        except asyncio.CancelledError:
            # The slot may have been granted in the same turn of the loop in which
            # the client left: give it back, or it is lost for ever.
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().release()
            raise
        finally:
            self._demand.leave(ticket)
            del self._futures[ticket], self._wishes[ticket]

    async def _wait_telling(
        self, ticket: Ticket, future: "asyncio.Future[Grant]", on_wait: OnWait | None
    ) -> None:
        loop = asyncio.get_running_loop()
        while not future.done():
            waited_s = loop.time() - ticket.since
            if waited_s >= self._limits.wait_max_s:
                raise QueueFull(
                    f"No worker for {ticket.name!r} became free in {waited_s:.0f} s.",
                    retry_after_s=30,
                )
            if on_wait is not None:
                await on_wait(self._waiting(ticket, waited_s))
            left_s = self._limits.wait_max_s - waited_s
            await asyncio.wait({future}, timeout=min(self._limits.tell_every_s, left_s))

    def _waiting(self, ticket: Ticket, waited_s: float) -> Waiting:
        serving = self._colony.serving(ticket.model)
        if serving:
            reason = f"all slots of {len(serving)} worker(s) are in use"
        elif self._colony.coming(ticket.model, self._wishes[ticket].task):
            reason = "the model is loading"
        else:
            reason = "no worker has this model yet"
        return Waiting(
            position=self._demand.position(ticket), waited_s=round(waited_s, 3), reason=reason
        )

    def _check_room(self, model: str) -> None:
        if self._demand.total >= self._limits.waiting_max:
            raise QueueFull(f"{self._limits.waiting_max} requests wait already.", retry_after_s=10)
        if self._demand.waiting(model) >= self._limits.waiting_per_model_max:
            raise QueueFull(
                f"{self._limits.waiting_per_model_max} requests wait for {model!r} already.",
                retry_after_s=10,
            )

    def _serve_waiting(self) -> None:
        """Give free slots to the oldest tickets of their models."""
        for model in self._demand.models() if self._futures else ():
            known = self._colony.resolve(model)
            for ticket in self._demand.queue(model):
                if known is not None and known != model:
                    self._demand.rename(ticket, known)
                if not self._serve(ticket) and self._wishes[ticket].worker_id is None:
                    break  # no slot is free for anyone: those behind need not be asked

    def _serve(self, ticket: Ticket) -> bool:
        future = self._futures[ticket]
        if future.done():
            return True
        choice = self._choose(ticket.model, self._wishes[ticket])
        if choice is None:
            return False
        self._demand.leave(ticket)
        waited_s = asyncio.get_running_loop().time() - ticket.since
        future.set_result(self._grant(choice, waited_s=waited_s))
        return True


def _wrong_task(model: str, task: Task) -> InvalidRequest:
    """Nothing would ever serve this: no worker is started by itself for the other task."""
    if task == "embeddings":
        return InvalidRequest(
            f"{model!r} generates text; no worker gives embeddings of it.",
            remedy="Use an embedding model, or start a worker for it: "
            f"`rbee worker spawn {model} --task embeddings`.",
            param="model",
        )
    return InvalidRequest(
        f"{model!r} is an embedding model and generates no text.",
        remedy="Send it to `embeddings`, or choose another model.",
        param="model",
    )
