"""The control plane's one loop: sees demand, starts and stops workers, says why it cannot.

It wakes when somebody waits or the colony changed, and once a second. Each round
``scheduling.decisions.decide`` (pure) turns demand, supply, activity and failures into
actions; ``spawning`` and ``evicting`` carry them out on the hives. When a worker's beat
arrives, the registry wakes admission: nobody here touches a request. One task owns the
state; no locks.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import anyio
import anyio.abc
import anyio.to_thread

from rbee.contracts.models import Model
from rbee.contracts.plan import Plan
from rbee.contracts.workers import COMING, SERVING, WorkerStats
from rbee.errors import RbeeError
from rbee.foundation import logs
from rbee.queen import known_hives
from rbee.queen.evicting import Evicting
from rbee.queen.hooks import Hooks
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.hives import HiveView
from rbee.queen.scheduling.activity import Activity
from rbee.queen.scheduling.decisions import (
    MakeRoom,
    Refuse,
    Spawn,
    Supply,
    World,
    decide,
    doubt,
    is_quiet,
)
from rbee.queen.scheduling.demand import Demand, Wanted
from rbee.queen.scheduling.eviction import Standing, Victim
from rbee.queen.scheduling.options import Policy
from rbee.queen.scheduling.placement import Placement
from rbee.queen.scheduling.plan import Asked, make_plan
from rbee.queen.scheduling.replicas import SLOTS_ASSUMED, Retire
from rbee.queen.scheduling.troubles import Troubles
from rbee.queen.spawning import Listener, Loading, News, Spawning

TICK_S: Final = 1.0  # what no event announces (a backoff that ends) is noticed this late
SHARE_MAX: Final = 0.1  # of the queen's one thread for these rounds: requests go first
DOUBT_S: Final = 10.0  # after a shock the view needs a few beats of every hive to be whole again

__all__ = ["Listener", "Loading", "News", "Reconciler"]

_log = logs.get(__name__)


class Reconciler:
    """Keeps as many workers as are wanted. ``run`` never returns."""

    def __init__(
        self,
        *,
        colony: Colony,
        demand: Demand,
        lines: HiveLines,
        policy: Policy,
        known_file: Path | None,
        quiet_s: float,
    ) -> None:
        """``known_file`` keeps the hives over restarts.

        Null: they are not kept, and the quiet time after a start is always waited out.
        """
        self.hooks = Hooks()
        self._colony = colony
        self._demand = demand
        self._policy = policy
        self._known_file = known_file
        self._quiet_s = quiet_s
        self._known = known_hives.KnownHives()
        self._known_before: frozenset[str] = frozenset()
        self._started_at = 0.0
        self._quiet_over = False
        self._looked_at: float | None = None
        self._doubt: tuple[str, float] | None = None
        self._doubt_since: float | None = None
        self._shocked = False
        self._activity = Activity()
        self._troubles = Troubles()
        self._evicting = Evicting(colony, lines, self.hooks)
        self._spawning = Spawning(colony, lines, self._evicting, self._troubles, self.hooks)
        self._changed = anyio.Event()
        demand.subscribe(self._woken)
        colony.subscribe(self._woken)

    async def run(self) -> None:
        """Reconcile for ever."""
        self._started_at = anyio.current_time()
        if self._known_file is not None:
            self._known = await anyio.to_thread.run_sync(known_hives.load, self._known_file)
        self._known_before = frozenset(hive.id for hive in self._known.hives)
        async with anyio.create_task_group() as tasks:
            while True:
                changed = self._changed
                began = anyio.current_time()
                hives = self._reconcile(tasks)
                took_s = anyio.current_time() - began
                await self._remember_hives(hives)
                await anyio.sleep(took_s * (1 / SHARE_MAX - 1))
                with anyio.move_on_after(TICK_S):
                    await changed.wait()

    def adopt(self, policy: Policy) -> None:
        """Place by another policy from now on."""
        self._policy = policy
        self._woken()

    def following(self, model: str, listener: Listener) -> AbstractContextManager[None]:
        """Tell ``listener`` of a spawn for ``model``, from one in flight on."""
        return self._spawning.following(model, listener)

    def loading(self, model: str) -> Loading | None:
        """The spawn in flight for a model; for whoever reckons when it will be there."""
        return self._spawning.loading(model)

    def plan(self, model: str, *, hive_id: str | None = None, offered: Model | None = None) -> Plan:
        """What a request for ``model`` would lead to now; nothing is done.

        ``offered`` is what a source outside says of a model that no hive has.

        Raises:
            ModelNotFound: nobody has it and no source is known for it.
        """
        now = anyio.current_time()
        resolved = self._colony.resolve(model)
        loading = self._spawning.loading(model)
        asked = Asked(
            name=model,
            model=resolved or model,
            hive_id=hive_id,
            offered=offered,
            loading=loading is not None,
            loading_for_s=0.0 if loading is None else now - loading.began_at,
            load_s=None if loading is None else loading.load_s,
        )
        return make_plan(asked, self._world(self._demand.wanted(), now))

    @property
    def quiet(self) -> bool:
        """Whether the queen still finds out what exists: nothing is spawned or refused yet."""
        return not self._quiet_over

    def _woken(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    # ── one round ────────────────────────────────────────────────────────────

    def _reconcile(self, tasks: anyio.abc.TaskGroup) -> Sequence[HiveView]:
        now = anyio.current_time()
        self._troubles.sweep(now)
        wanted = self._demand.wanted()
        world = self._world(wanted, now)
        for action in decide(wanted, world):
            match action:
                case Spawn(model=model, placement=placement):
                    self._begin(model, placement, (), tasks)
                case MakeRoom(model=model, placement=placement, victims=victims):
                    self._evicting.mark(one.worker_id for one in victims)
                    self._begin(model, placement, victims, tasks)
                case Retire():
                    self._evicting.mark([action.worker_id])
                    tasks.start_soon(self._retire, action, world.hives)
                case Refuse(model=model, error=error):
                    _log.warning("refused", model=model, reason=error.message)
                    self._demand.refuse(model, error)
        return world.hives

    def _world(self, wanted: list[Wanted], now: float) -> World:
        hives = self._colony.hives()
        workers = [worker for hive in hives for worker in hive.workers]
        self._activity.look(workers, self.hooks.running, now)
        settings = self._policy.settings.resolved(self._colony.resolve)
        policy = Policy(auto_download=self._policy.auto_download, settings=settings)
        waiting = {row.model: row.oldest_since for row in wanted}
        serving = _serving_by_model(workers)

        def standing(hive: HiveView, worker: WorkerStats) -> Standing:
            busy = self.hooks.running(worker.worker_id) > 0 or bool(worker.slots_busy)
            row = next((row for row in hive.models if row.id == worker.model), None)
            usual_s = None if row is None else row.load_s
            return Standing(
                in_use=busy or worker.model in waiting,
                idle_s=self._activity.idle_s(worker.worker_id, now),
                serving_s=self._activity.serving_s(worker.worker_id, now),
                load_s=usual_s if usual_s is not None else worker.load_s,
                spare=serving.get(worker.model, 0) - settings.kept_of(worker.model),
            )

        return World(
            hives=hives,
            policy=policy,
            supply=lambda model: self._supply(model, hives),
            spawning=self._spawning.keys(),
            troubles=self._troubles,
            standing=standing,
            oldest_waiting=waiting.get,
            now=now,
            reserved=self._spawning.reserved(),
            doubt=self._is_in_doubt(hives, now),
            doubt_since=self._doubt_since,
            quiet=self._is_quiet(hives, now),
        )

    def _supply(self, model: str, hives: list[HiveView]) -> Supply:
        """Workers for the task that a spawn would be for: others take none of those who wait."""
        task = self._colony.usual_task(model)
        serving = [worker for worker in self._colony.serving(model) if worker.task == task]
        on = {
            (str(hive.id), device)
            for hive in hives
            for worker in hive.workers
            if worker.model == model and worker.status in SERVING | COMING
            for device in worker.device.split(",")
        }
        return Supply(
            serving=len(serving),
            coming=self._colony.coming(model, task),
            slots=sum(worker.slots_total or SLOTS_ASSUMED for worker in serving),
            on=frozenset(on),
            service_s=self.hooks.service_s(model),
        )

    def _is_quiet(self, hives: Sequence[HiveView], now: float) -> bool:
        if not self._quiet_over and self._known_file is None:
            self._quiet_over = now - self._started_at >= self._quiet_s
        elif not self._quiet_over:
            beaten = {str(hive.id) for hive in hives if hive.told_models}
            self._quiet_over = not is_quiet(
                now=now,
                started_at=self._started_at,
                quiet_s=self._quiet_s,
                known=self._known_before,
                beaten=beaten,
            )
        return not self._quiet_over

    def _is_in_doubt(self, hives: list[HiveView], now: float) -> str | None:
        """Why nobody is stopped now: a shock, or one that is over for less than ten seconds."""
        before, self._looked_at = self._looked_at, now
        lag_s = 0.0 if before is None else now - before - TICK_S
        found = doubt(hives, lag_s)
        if found is not None:
            self._doubt = (found, now + DOUBT_S)
            if not self._shocked:
                self._doubt_since = now
        self._shocked = found is not None
        if self._doubt is None or now >= self._doubt[1]:
            self._doubt = self._doubt_since = None
            return None
        return self._doubt[0]

    # ── what comes of it ─────────────────────────────────────────────────────

    def _begin(
        self,
        model: str,
        placement: Placement,
        victims: tuple[Victim, ...],
        tasks: anyio.abc.TaskGroup,
    ) -> None:
        self.hooks.on_placed(model, placement_lines(placement))
        key = self._spawning.begin(model, placement)
        tasks.start_soon(self._spawn, key, model, victims)

    async def _spawn(self, key: str, model: str, victims: tuple[Victim, ...]) -> None:
        def is_wanted() -> bool:
            asked = any(self._spawning.key(one) == key for one in self._demand.models())
            return asked or self._policy.settings.of(model).replicas_min > 0

        try:
            await self._spawning.run(key, victims, is_wanted)
        finally:
            self._woken()

    async def _retire(self, retire: Retire, hives: Sequence[HiveView]) -> None:
        url = next(hive.url for hive in hives if hive.id == retire.hive_id)
        try:
            await self._evicting.stop(
                url, retire.worker_id, retire.model, retire.reason, hive_id=str(retire.hive_id)
            )
        except RbeeError as error:
            _log.warning("not stopped", worker_id=retire.worker_id, reason=error.message)

    async def _remember_hives(self, hives: Sequence[HiveView]) -> None:
        if self._known_file is None:
            return
        known = known_hives.merged(self._known, list(hives))
        if known is None:
            return
        self._known = known
        try:
            await anyio.to_thread.run_sync(known_hives.save, self._known_file, known)
        except OSError as error:
            _log.warning("cannot remember the hives", reason=error.strerror)


def placement_lines(placement: Placement) -> list[str]:
    """A placement for people: where and why, then every other hive and why not."""
    where = f" on {placement.room_on}" if placement.room_on else ""
    lines = [f"{placement.hive_id}{where}: {'; '.join(placement.why)}"]
    return lines + [f"not {hive}: {reason}" for hive, reason in placement.others.items()]


def _serving_by_model(workers: list[WorkerStats]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for worker in workers:
        if worker.status in SERVING:
            found[worker.model] = found.get(worker.model, 0) + 1
    return found
