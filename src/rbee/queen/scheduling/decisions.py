"""What the reconciler does next: a pure function from demand and colony to actions.

For every model that somebody waits for: nothing while a worker of it comes or is
being spawned; one more worker where its queue persists (``replicas``); where it has
none, the one spawn that placement chooses, or the room that eviction makes for it, or
patience while what is loaded has its turn (``turns``), or a refusal with the reason.
However many wait, one spawn happens. Then those workers that nobody needs are retired.
While the queen is quiet after her start nothing happens; while she doubts her own view
(most hives silent, or she herself late) nobody is stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

import msgspec

from rbee.contracts.aliases import STARTER, resolve_alias
from rbee.contracts.workers import SERVING, WorkerStats
from rbee.errors import RbeeError
from rbee.queen.registry.hives import HiveView
from rbee.queen.registry.liveness import LAG_MAX_S, is_mass_loss
from rbee.queen.scheduling.demand import Wanted
from rbee.queen.scheduling.eviction import (
    Standing,
    StandingOf,
    Victim,
    could_ever,
    find_eviction,
)
from rbee.queen.scheduling.memory import Reserved
from rbee.queen.scheduling.options import Ask, Option, Policy, expected_bytes, find_options
from rbee.queen.scheduling.placement import Placement, Refusal, as_placement, place, usual_load_s
from rbee.queen.scheduling.replicas import (
    Idle,
    Load,
    Retire,
    fewer_than_kept,
    to_retire,
    wants_more,
)
from rbee.queen.scheduling.troubles import Troubles, too_soon
from rbee.queen.scheduling.turns import Turn, is_over

SILENCE_PATIENCE_S: Final = 8.0
"""How long a request waits for a hive that fell silent before it is told so: longer
than a hive's restart, and with the 3 s before it about when the hive shows as down."""

GROW_EVICT_IDLE_S: Final = 60.0  # for one more worker of a model only what nobody uses gives way


class Spawn(msgspec.Struct, frozen=True):
    """Start a worker of ``model`` there."""

    model: str
    placement: Placement


class MakeRoom(msgspec.Struct, frozen=True):
    """Stop ``victims``, then start a worker of ``model`` there."""

    model: str
    placement: Placement
    victims: tuple[Victim, ...]


class Refuse(msgspec.Struct, frozen=True):
    """Tell all who wait for ``model``."""

    model: str
    error: RbeeError


Action: TypeAlias = Spawn | MakeRoom | Retire | Refuse


class Supply(msgspec.Struct, frozen=True):
    """What a model has: workers in use, workers on their way.

    ``slots`` are of those that serve, ``on`` the (hive, device) pairs of all, and
    ``service_s`` how long a request keeps a slot, null when nobody measured it.
    """

    serving: int
    coming: int
    slots: int = 0
    on: frozenset[tuple[str, str]] = frozenset()
    service_s: float | None = None


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when a decision is made. ``now`` is of the clock of ``Wanted``.

    ``spawning`` holds the keys (``source_key``) of models whose spawn is in flight;
    ``oldest_waiting`` says since when somebody waits for a model; ``doubt`` is why
    nobody may be stopped now, null when there is none, ``doubt_since`` when that began:
    for who waits, hives are silent since then at the earliest.
    """

    hives: Sequence[HiveView]
    policy: Policy
    supply: Callable[[str], Supply]
    spawning: AbstractSet[str]
    troubles: Troubles
    standing: StandingOf
    oldest_waiting: Callable[[str], float | None]
    now: float
    reserved: Sequence[Reserved] = ()
    doubt: str | None = None
    doubt_since: float | None = None
    quiet: bool = False


def decide(wanted: Sequence[Wanted], world: World) -> list[Action]:
    """The actions for now, those who wait longest first."""
    if world.quiet:
        return []
    return _Round(world).run(wanted)


class _Round:
    """One decision over all models: what earlier ones took, later ones cannot have."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._taken = set(world.spawning)
        self._reserved = list(world.reserved)
        self._leaving: set[str] = set()
        self._served_s: dict[str, float] | None = None

    def run(self, wanted: Sequence[Wanted]) -> list[Action]:
        actions: list[Action] = []
        for row in wanted:
            action = self._for_demand(row)
            if action is not None:
                actions.append(action)
        actions += self._for_settings({source_key(row.model) for row in wanted})
        if self._world.doubt is None:
            actions += self._retire()
        return actions

    # ── models that somebody waits for ───────────────────────────────────────

    def _for_demand(self, row: Wanted) -> Action | None:
        has = self._world.supply(row.model)
        if has.coming or source_key(row.model) in self._taken:
            return None
        if has.serving:
            return self._grow(row, has)
        ask = self._ask(row.model, hive_id=row.hive_id)
        options = find_options(ask, self._world.hives, self._world.policy)
        found = place(ask, self._world.hives, self._world.policy, options)
        if isinstance(found, Placement):
            return self._spawn(row.model, found)
        room = self._make_room(ask, options, waiting_since=row.oldest_since)
        return room or self._refuse(row, options, found)

    def _refuse(self, row: Wanted, options: Sequence[Option], found: Refusal) -> Refuse | None:
        """The refusal, unless waiting may help."""
        world = self._world
        if could_ever(options, world.standing, world.policy.settings, self._reserved):
            return None
        failure = world.troubles.latest(source_key(row.model), world.now)
        if failure is not None:
            return Refuse(row.model, too_soon(failure, world.now))
        since = row.oldest_since
        if world.doubt_since is not None:  # who waited long for a load has not waited for hives
            since = max(since, world.doubt_since)
        if found.transient and world.now - since < SILENCE_PATIENCE_S:
            return None
        return Refuse(row.model, found.error)

    def _grow(self, row: Wanted, has: Supply) -> Action | None:
        world = self._world
        ask = self._ask(row.model, hive_id=row.hive_id, taken=has.on)
        options = find_options(ask, world.hives, world.policy)
        options = [one for one in options if one.on_disk]
        load = Load(
            model=row.model,
            waiting=row.waiting,
            oldest_waited_s=world.now - row.oldest_since,
            workers=has.serving + has.coming,
            coming=has.coming,
            slots=has.slots,
            service_s=has.service_s,
            load_s=usual_load_s([one for one in options if one.able or one.blocked == "memory"]),
        )
        reason = wants_more(load, world.policy.settings)
        return None if reason is None else self._one_more(ask, options, reason)

    def _one_more(self, ask: Ask, options: Sequence[Option], reason: str) -> Action | None:
        """A worker beside others: never by a download, never at the cost of what is used."""
        found = place(ask, self._world.hives, self._world.policy, options)
        if isinstance(found, Placement):
            more = msgspec.structs.replace(found, why=[reason, *found.why])
            return self._spawn(ask.model, more)
        return self._make_room(ask, options, idle_at_least_s=GROW_EVICT_IDLE_S)

    def _for_settings(self, waited_for: AbstractSet[str]) -> Iterator[Action]:
        """Workers that the settings want although nobody waits."""
        world = self._world
        for model in world.policy.settings.models:
            key = source_key(model)
            has = world.supply(model)
            enough = not fewer_than_kept(model, has.serving + has.coming, world.policy.settings)
            if enough or has.coming or key in self._taken or key in waited_for:
                continue
            if world.troubles.latest(key, world.now) is not None:
                continue
            ask = self._ask(model, taken=has.on)
            options = [one for one in find_options(ask, world.hives, world.policy) if one.on_disk]
            action = self._one_more(ask, options, "the settings want a worker of it")
            if action is not None:
                yield action

    # ── what a decision takes ────────────────────────────────────────────────

    def _ask(
        self,
        model: str,
        *,
        hive_id: str | None = None,
        taken: AbstractSet[tuple[str, str]] = frozenset[tuple[str, str]](),
    ) -> Ask:
        world = self._world
        return Ask(
            model=model,
            hive_id=hive_id,
            avoid=world.troubles.avoid(source_key(model), world.now),
            passed_over=world.troubles.passed_over(world.now),
            taken=taken,
            reserved=tuple(self._reserved),
        )

    def _spawn(self, model: str, placement: Placement) -> Spawn:
        self._take(model, placement)
        return Spawn(model, placement)

    def _take(self, model: str, placement: Placement) -> None:
        self._taken.add(source_key(model))
        self._reserved.append(reservation(model, placement, self._world.hives))

    def _make_room(
        self,
        ask: Ask,
        options: Sequence[Option],
        *,
        waiting_since: float | None = None,
        idle_at_least_s: float = 0.0,
    ) -> MakeRoom | None:
        """The eviction that lets ``ask`` in; in-use models give way when their turn is over."""
        world = self._world
        if world.doubt is not None:
            return None

        load_s = usual_load_s([one for one in options if one.blocked == "memory"])

        def may_displace(model: str) -> bool:
            return waiting_since is not None and self._turn_is_over(model, load_s, waiting_since)

        found = find_eviction(
            options,
            self._standing,
            world.policy.settings,
            wish=ask.hive_id,
            may_displace=may_displace,
            idle_at_least_s=idle_at_least_s,
        )
        if found is None:
            return None
        named = ", ".join(f"{one.model} (idle {one.idle_s:.0f} s)" for one in found.victims)
        why = [f"{named} gives way"]
        placement = as_placement(found.option, why, {})
        self._leaving |= {one.worker_id for one in found.victims}
        self._take(ask.model, placement)
        return MakeRoom(ask.model, placement, found.victims)

    def _standing(self, hive: HiveView, worker: WorkerStats) -> Standing:
        standing = self._world.standing(hive, worker)
        if worker.worker_id in self._leaving:
            return msgspec.structs.replace(standing, spare=0)
        return standing

    def _turn_is_over(self, model: str, load_s: float | None, waiting_since: float) -> bool:
        world = self._world
        return is_over(
            Turn(
                serving_s=self._served().get(model, 0.0), oldest_waiting=world.oldest_waiting(model)
            ),
            waiting_since=waiting_since,
            load_s=load_s,
            settings=world.policy.settings,
            now=world.now,
        )

    def _served(self) -> dict[str, float]:
        """For how long each model has been served: by its oldest worker, looked up once."""
        if self._served_s is None:
            self._served_s = {}
            for hive in self._world.hives:
                for worker in hive.workers:
                    now_s = self._world.standing(hive, worker).serving_s
                    known_s = self._served_s.get(worker.model, 0.0)
                    self._served_s[worker.model] = max(now_s, known_s)
        return self._served_s

    # ── workers that nobody needs ────────────────────────────────────────────

    def _retire(self) -> Iterator[Retire]:
        world = self._world
        by_model: dict[str, list[Idle]] = {}
        for hive in world.hives:
            for worker in hive.workers:
                if worker.status not in SERVING or worker.worker_id in self._leaving:
                    continue
                standing = world.standing(hive, worker)
                by_model.setdefault(worker.model, []).append(
                    Idle(
                        worker_id=worker.worker_id,
                        hive_id=str(hive.id),
                        model=worker.model,
                        idle_s=standing.idle_s,
                        manual=worker.manual,
                        in_use=standing.in_use or hive.state != "fresh",
                    )
                )
        for model, workers in by_model.items():
            busy = source_key(model) in self._taken or world.oldest_waiting(model) is not None
            found = to_retire(workers, world.policy.settings, waiting=busy)
            if found is not None:
                yield found


def reservation(model: str, placement: Placement, hives: Sequence[HiveView]) -> Reserved:
    """The memory that a spawn takes before any beat shows it."""
    size_bytes = placement.needed_bytes
    return Reserved(
        hive_id=str(placement.hive_id),
        device=placement.room_on,
        size_bytes=expected_bytes(model, hives) if size_bytes is None else size_bytes,
    )


def source_key(model: str) -> str:
    """One key for all names that lead to the same files: two aliases are one spawn.

    A model's id, and a name that no table knows, is its own key.
    """
    source = resolve_alias(model)
    if source is None:
        return model.casefold()
    return source.repo.casefold() if source.kind == "hub" else STARTER


def is_quiet(
    *,
    now: float,
    started_at: float,
    quiet_s: float,
    known: AbstractSet[str],
    beaten: AbstractSet[str],
) -> bool:
    """Whether the queen is still finding out what exists.

    Over as soon as every hive that she knew before has beaten and told its models
    (and at least one has), and in any case after ``quiet_s``.
    """
    if now - started_at >= quiet_s:
        return False
    return not beaten or not known <= beaten


def doubt(hives: Sequence[HiveView], lag_s: float) -> str | None:
    """Why the queen shall not trust her view enough to stop anything; None when she may.

    ``lag_s`` is how much later than planned her loop came round. A machine that is
    short of time, or a broken switch, looks like a colony that died.
    """
    if lag_s > LAG_MAX_S:
        return f"the queen herself was {lag_s:.1f} s late"
    lost = sum(hive.state != "fresh" for hive in hives)
    if is_mass_loss(len(hives), lost):
        return f"{lost} of {len(hives)} hives are silent at once"
    return None
