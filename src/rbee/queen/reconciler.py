"""The control plane's one loop: sees demand, starts workers, says why it cannot.

It wakes when somebody waits or the colony changed, and once a second. Each round
``scheduling.decisions.decide`` (pure) turns demand, supply and failures into
actions, and this module carries them out: a spawn is a job on the chosen hive,
followed to its end; a failure is told to all who wait, and remembered for ten
seconds. When the worker's beat arrives, the registry wakes admission: nobody here
touches a request. One task owns the state; no locks.
"""

import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, Final, cast

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from rbee.contracts.jobs import JobEvent, WorkerSpawn
from rbee.contracts.status import InferSpawning
from rbee.errors import EngineError, JobNotFound, RbeeError
from rbee.foundation import logs
from rbee.queen import known_hives
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.decisions import (
    BACKOFF_S,
    Failure,
    Refuse,
    Spawn,
    Supply,
    decide,
    is_quiet,
    source_key,
    spawn_error,
)
from rbee.queen.scheduling.demand import Demand
from rbee.queen.scheduling.placement import Policy

TICK_S: Final = 1.0  # what no event announces (a backoff that ends) is noticed this late
SETTLE_S: Final = 5.0  # a spawn's end and the worker's first ready beat race; give the beat time

_log = logs.get(__name__)

News = InferSpawning | JobEvent
"""What a follower of a model hears: a spawn that begins, then the hive's own events."""

Listener = Callable[[News], None]


class _Spawning(msgspec.Struct, kw_only=True):
    """A spawn in flight."""

    model: str
    start: InferSpawning
    last: JobEvent | None = None
    worker_id: str | None = None


class Reconciler:
    """Keeps as many workers as are wanted. ``run`` never returns."""

    def __init__(
        self,
        *,
        colony: Colony,
        demand: Demand,
        lines: HiveLines,
        policy: Policy,
        known_file: Path,
        quiet_s: float,
    ) -> None:
        self._colony = colony
        self._demand = demand
        self._lines = lines
        self._policy = policy
        self._known_file = known_file
        self._quiet_s = quiet_s
        self._known = known_hives.KnownHives()
        self._known_before: frozenset[str] = frozenset()
        self._started_at = 0.0
        self._quiet_over = False
        self._spawning: dict[str, _Spawning] = {}
        self._failures: dict[str, Failure] = {}
        self._followers: list[tuple[str, Listener]] = []
        self._changed = anyio.Event()
        demand.subscribe(self._woken)
        colony.subscribe(self._woken)

    async def run(self) -> None:
        """Reconcile for ever."""
        self._started_at = anyio.current_time()
        self._known = await anyio.to_thread.run_sync(known_hives.load, self._known_file)
        self._known_before = frozenset(hive.id for hive in self._known.hives)
        async with anyio.create_task_group() as spawns:
            while True:
                changed = self._changed
                self._reconcile(spawns)
                await self._remember_hives()
                with anyio.move_on_after(TICK_S):
                    await changed.wait()

    @contextmanager
    def following(self, model: str, listener: Listener) -> Generator[None]:
        """Tell ``listener`` of a spawn for ``model``, from one in flight on."""
        follower = (self._key(model), listener)
        for key, spawning in self._spawning.items():
            if follower[0] in {key, self._key(spawning.model)}:
                listener(spawning.start)
                if spawning.last is not None:
                    listener(spawning.last)
        self._followers.append(follower)
        try:
            yield
        finally:
            self._followers.remove(follower)

    @property
    def quiet(self) -> bool:
        """Whether the queen still finds out what exists: nothing is spawned or refused yet."""
        return not self._quiet_over

    def _woken(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def _key(self, model: str) -> str:
        """One key for all names of a model, known or to be fetched."""
        return source_key(self._colony.resolve(model) or model)

    def _keys_in_flight(self) -> set[str]:
        """Also under the id that a name turned out to mean when its file arrived."""
        return {*self._spawning, *(self._key(one.model) for one in self._spawning.values())}

    def _reconcile(self, spawns: anyio.abc.TaskGroup) -> None:
        now = anyio.current_time()
        self._failures = {k: f for k, f in self._failures.items() if now < f.again_at}
        actions = decide(
            self._demand.wanted(),
            supply=self._supply,
            spawning=self._keys_in_flight(),
            failures=self._failures,
            hives=self._colony.hives(),
            policy=self._policy,
            quiet=self._is_quiet(now),
            now=now,
        )
        for action in actions:
            match action:
                case Spawn():
                    self._begin(action, spawns)
                case Refuse(model=model, error=error):
                    _log.warning("refused", model=model, reason=error.message)
                    self._demand.refuse(model, error)

    def _supply(self, model: str) -> Supply:
        """Workers for the task that a spawn would be for: others take none of those who wait."""
        task = self._colony.usual_task(model)
        serving = sum(worker.task == task for worker in self._colony.serving(model))
        return Supply(serving, self._colony.coming(model, task))

    def _is_quiet(self, now: float) -> bool:
        if not self._quiet_over:
            beaten = {str(hive.id) for hive in self._colony.hives() if hive.told_models}
            self._quiet_over = not is_quiet(
                now=now,
                started_at=self._started_at,
                quiet_s=self._quiet_s,
                known=self._known_before,
                beaten=beaten,
            )
        return not self._quiet_over

    def _begin(self, spawn: Spawn, spawns: anyio.abc.TaskGroup) -> None:
        placement = spawn.placement
        start = InferSpawning(
            model=spawn.model,
            hive_id=placement.hive_id,
            why=placement.why,
            download=placement.download,
        )
        key = self._key(spawn.model)
        spawning = _Spawning(model=spawn.model, start=start)
        self._spawning[key] = spawning
        _log.info("spawning", model=spawn.model, hive=placement.hive_id, why=placement.why)
        self._tell(key, spawning, start)
        spawns.start_soon(self._spawn, key, spawning, spawn)

    async def _spawn(self, key: str, spawning: _Spawning, spawn: Spawn) -> None:
        """One spawn, from the command to the worker's first beat."""
        hive_id = spawn.placement.hive_id
        operation = WorkerSpawn(
            model=spawn.model,
            hive_id=hive_id,
            device=spawn.placement.device,
            command_id=f"spawn-{secrets.token_hex(8)}",
            manual=False,
        )
        try:
            jobs = self._lines.to(spawn.placement.hive_url).jobs
            async with aclosing(jobs.run(operation)) as events:
                async for event in events:
                    self._note(key, spawning, event)
            await self._settle(spawning)
        except JobNotFound:
            # The hive was restarted and forgot the job; whoever still waits asks again.
            _log.warning("spawn lost", model=spawn.model, hive=hive_id)
        except RbeeError as error:
            self._fail(key, spawn.model, spawn_error(spawn.model, hive_id, error))
        finally:
            del self._spawning[key]
            self._woken()

    def _note(self, key: str, spawning: _Spawning, event: JobEvent) -> None:
        if event.action == "cancelled":
            raise EngineError("the hive was told to cancel it", remedy="Ask again.")
        data: object = event.data
        if isinstance(data, dict):
            worker_id = cast("dict[str, Any]", data).get("worker_id")
            if isinstance(worker_id, str):
                spawning.worker_id = worker_id
        spawning.last = event
        self._tell(key, spawning, event)

    async def _settle(self, spawning: _Spawning) -> None:
        """Wait for the beat that shows the new worker, so that it is not spawned twice."""
        with anyio.move_on_after(SETTLE_S):
            while not self._has_arrived(spawning):
                await self._changed.wait()

    def _has_arrived(self, spawning: _Spawning) -> bool:
        if spawning.worker_id is not None:
            return self._colony.is_serving(spawning.worker_id)
        model = self._colony.resolve(spawning.model) or spawning.model
        return bool(self._colony.serving(model))

    def _fail(self, key: str, model: str, error: RbeeError) -> None:
        _log.warning("spawn failed", model=model, reason=error.message, code=error.code)
        failure = Failure(error, anyio.current_time() + BACKOFF_S)
        for failed in {key, self._key(model)}:
            self._failures[failed] = failure
        for waiting in list(self._waiting_for({key, self._key(model)})):
            self._demand.refuse(waiting, error)

    def _waiting_for(self, keys: set[str]) -> Iterator[str]:
        return (model for model in self._demand.models() if self._key(model) in keys)

    def _tell(self, key: str, spawning: _Spawning, news: News) -> None:
        keys = {key, self._key(spawning.model)}
        for followed, listener in list(self._followers):
            if followed in keys:
                listener(news)

    async def _remember_hives(self) -> None:
        known = known_hives.merged(self._known, self._colony.hives())
        if known is None:
            return
        self._known = known
        try:
            await anyio.to_thread.run_sync(known_hives.save, self._known_file, known)
        except OSError as error:
            _log.warning("cannot remember the hives", reason=error.strerror)
