"""Spawns in flight: the command to a hive, its events to all who follow, its end.

``reconciler`` decides and hands over; each spawn is one task here, from making room
(if somebody has to go first) over the hive's job to the beat that shows the new worker.
What failed is kept in ``Troubles``, so that the next decision goes elsewhere or says
why. One task per spawn, all in the queen's loop; no locks.
"""

import secrets
from collections.abc import Callable, Generator, Iterable
from contextlib import aclosing, contextmanager
from typing import Any, Final, cast

import anyio
import msgspec

from rbee.contracts.jobs import JobEvent, WorkerSpawn
from rbee.contracts.status import InferSpawning
from rbee.errors import EngineError, JobNotFound, RbeeError
from rbee.foundation import logs
from rbee.queen.evicting import Evicting
from rbee.queen.hooks import Hooks
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.decisions import reservation, source_key
from rbee.queen.scheduling.eviction import Victim
from rbee.queen.scheduling.memory import Reserved
from rbee.queen.scheduling.placement import Placement
from rbee.queen.scheduling.troubles import Troubles, spawn_error

SETTLE_S: Final = 5.0  # a spawn's end and the worker's first ready beat race; give the beat time

_log = logs.get(__name__)

News = InferSpawning | JobEvent
"""What a follower of a model hears: a spawn that begins, then the hive's own events."""

Listener = Callable[[News], None]


class Loading(msgspec.Struct, frozen=True):
    """A spawn in flight. ``load_s`` is what such a load takes, null when nobody knows."""

    began_at: float
    load_s: float | None
    download: bool


class _Spawning(msgspec.Struct, kw_only=True):
    model: str
    placement: Placement
    start: InferSpawning
    reserved: Reserved
    began_at: float
    last: JobEvent | None = None
    worker_id: str | None = None


class Spawning:
    """All spawns in flight, by the key of their model."""

    def __init__(
        self,
        colony: Colony,
        lines: HiveLines,
        evicting: Evicting,
        troubles: Troubles,
        hooks: Hooks,
    ) -> None:
        self._colony = colony
        self._lines = lines
        self._evicting = evicting
        self._troubles = troubles
        self._hooks = hooks
        self._flights: dict[str, _Spawning] = {}
        self._followers: list[tuple[str, Listener]] = []
        self._changed = anyio.Event()
        colony.subscribe(self._woken)

    # ── what others ask ──────────────────────────────────────────────────────

    def key(self, model: str) -> str:
        """One key for all names of a model, known or to be fetched."""
        return source_key(self._colony.resolve(model) or model)

    def keys(self) -> set[str]:
        """The models in flight, also under the id that a name turned out to mean."""
        return {*self._flights, *(self.key(one.model) for one in self._flights.values())}

    def reserved(self) -> list[Reserved]:
        """The memory of those whose worker no beat shows yet."""
        shown = {entry.stats.worker_id for _, entry in self._colony.workers()}
        return [one.reserved for one in self._flights.values() if one.worker_id not in shown]

    def loading(self, model: str) -> Loading | None:
        """The spawn in flight for a model, for whoever reckons when it will be there."""
        one = self._flights.get(self.key(model))
        if one is None:
            return None
        load = one.placement.load
        return Loading(one.began_at, None if load is None else load.load_s, one.placement.download)

    @contextmanager
    def following(self, model: str, listener: Listener) -> Generator[None]:
        """Tell ``listener`` of a spawn for ``model``, from one in flight on."""
        follower = (self.key(model), listener)
        for key, flight in self._flights.items():
            if follower[0] in {key, self.key(flight.model)}:
                listener(flight.start)
                if flight.last is not None:
                    listener(flight.last)
        self._followers.append(follower)
        try:
            yield
        finally:
            self._followers.remove(follower)

    # ── one spawn ────────────────────────────────────────────────────────────

    def begin(self, model: str, placement: Placement) -> str:
        """Note a spawn that was decided, in the turn of the loop that decided. Gives its key."""
        start = InferSpawning(
            model=model,
            hive_id=placement.hive_id,
            why=placement.why,
            download=placement.download,
        )
        key = self.key(model)
        flight = self._flights[key] = _Spawning(
            model=model,
            placement=placement,
            start=start,
            reserved=reservation(model, placement, self._colony.hives()),
            began_at=anyio.current_time(),
        )
        _log.info("spawning", model=model, hive=placement.hive_id, why=placement.why)
        self._tell(key, flight, start)
        return key

    async def run(self, key: str, victims: Iterable[Victim], is_wanted: Callable[[], bool]) -> None:
        """The spawn that ``begin`` noted, to its end: ``victims`` first, if somebody has to go.

        Making room may take long; if nobody wants the model by then, nothing is spawned.
        """
        flight = self._flights[key]
        hive_id = str(flight.placement.hive_id)
        try:
            if leaving := [(one.worker_id, one.model) for one in victims]:
                await self._evicting.stop_all(
                    flight.placement.hive_url, leaving, "room", hive_id=hive_id
                )
                if not is_wanted():
                    return
                flight.began_at = anyio.current_time()
            await self._have_spawned(key, flight)
        except JobNotFound:
            # The hive was restarted and forgot the job; whoever still waits asks again.
            _log.warning("spawn lost", model=flight.model, hive=hive_id)
        except RbeeError as error:
            self._failed(key, flight, error)
        else:
            self._troubles.succeeded({key, self.key(flight.model)}, hive_id)
            self._hooks.on_spawn(flight.model, True, anyio.current_time() - flight.began_at)  # noqa: FBT003  positional, as a hook is called
        finally:
            del self._flights[key]

    async def _have_spawned(self, key: str, flight: _Spawning) -> None:
        placement = flight.placement
        operation = WorkerSpawn(
            model=flight.model,
            hive_id=placement.hive_id,
            device=placement.device,
            command_id=f"spawn-{secrets.token_hex(8)}",
            manual=False,
            epoch=self._lines.epoch,
        )
        jobs = self._lines.to(placement.hive_url, str(placement.hive_id)).jobs
        async with aclosing(jobs.run(operation)) as events:
            async for event in events:
                self._note(key, flight, event)
        with anyio.move_on_after(SETTLE_S):  # until the beat that shows it: not twice, please
            while not self._has_arrived(flight):
                await self._changed.wait()

    def _note(self, key: str, flight: _Spawning, event: JobEvent) -> None:
        if event.action == "cancelled":
            raise EngineError("the hive was told to cancel it", remedy="Ask again.")
        data: object = event.data
        if isinstance(data, dict):
            worker_id = cast("dict[str, Any]", data).get("worker_id")
            if isinstance(worker_id, str):
                flight.worker_id = worker_id
        flight.last = event
        self._tell(key, flight, event)

    def _has_arrived(self, flight: _Spawning) -> bool:
        if flight.worker_id is not None:
            return self._colony.is_serving(flight.worker_id)
        model = self._colony.resolve(flight.model) or flight.model
        return bool(self._colony.serving(model))

    def _failed(self, key: str, flight: _Spawning, cause: RbeeError) -> None:
        hive_id = str(flight.placement.hive_id)
        told = spawn_error(flight.model, hive_id, cause)
        _log.warning("spawn failed", model=flight.model, hive=hive_id, reason=cause.message)
        keys = {key, self.key(flight.model)}
        now = anyio.current_time()
        self._troubles.failed(keys, hive_id, cause, told, now)
        self._hooks.on_spawn(flight.model, False, now - flight.began_at)  # noqa: FBT003  positional, as a hook is called

    def _tell(self, key: str, flight: _Spawning, news: News) -> None:
        keys = {key, self.key(flight.model)}
        for followed, listener in list(self._followers):
            if followed in keys:
                listener(news)

    def _woken(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
