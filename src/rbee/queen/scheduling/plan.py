"""``rbee plan MODEL``: what the next decision would be, with every hive's reason.

Pure, and made of the same parts as the decision itself (``options``, ``placement``,
``eviction``), so that the plan is what happens when somebody asks for the model now.
"""

from collections.abc import Sequence

import msgspec

from rbee.contracts.models import Model
from rbee.contracts.plan import Plan, PlanEviction, PlanOption, PlanOutcome
from rbee.contracts.workers import SERVING
from rbee.errors import ModelNotFound
from rbee.queen.scheduling.decisions import Supply, World, source_key
from rbee.queen.scheduling.eviction import Eviction, could_ever, find_eviction
from rbee.queen.scheduling.options import Ask, Option, find_options
from rbee.queen.scheduling.placement import Placement, Refusal, as_placement, notes_of, place
from rbee.queen.scheduling.troubles import too_soon


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The question: the name that was used, what it stands for, and a spawn in flight of it."""

    name: str
    model: str
    hive_id: str | None = None
    offered: Model | None = None
    loading: bool = False
    loading_for_s: float = 0.0
    load_s: float | None = None


def make_plan(asked: Asked, world: World) -> Plan:
    """The plan for a request that came now.

    Raises:
        ModelNotFound: nobody has it and no source is known for it.
    """
    key = source_key(asked.model)
    ask = Ask(
        model=asked.model,
        hive_id=asked.hive_id,
        avoid=world.troubles.avoid(key, world.now),
        passed_over=world.troubles.passed_over(world.now),
        reserved=world.reserved,
        offered=asked.offered,
    )
    options = find_options(ask, world.hives, world.policy)
    has = world.supply(asked.model)
    if has.serving:
        return _serving(asked, has, world, options)
    if has.coming or asked.loading:
        return _coming(asked, options)
    found = place(ask, world.hives, world.policy, options)
    if isinstance(found, Placement):
        return _placed(asked, "spawn", found, options)
    if isinstance(found.error, ModelNotFound):
        raise found.error
    room = None
    if world.doubt is None:
        room = find_eviction(options, world.standing, world.policy.settings, wish=asked.hive_id)
    if room is not None:
        return _evicting(asked, room, options)
    return _not_now(asked, found, world, options)


def _serving(asked: Asked, has: Supply, world: World, options: Sequence[Option]) -> Plan:
    workers = [
        (str(hive.id), worker)
        for hive in world.hives
        for worker in hive.workers
        if worker.model == asked.model and worker.status in SERVING
    ]
    return Plan(
        model=asked.model,
        outcome="serving",
        message=f"{has.serving} worker(s) serve {asked.model} now.",
        hive_id=workers[0][0] if workers else None,
        device=workers[0][1].device if workers else None,
        ready_in_s=0.0,
        download_bytes=0,
        workers=[worker.worker_id for _, worker in workers],
        options=_rows(options, None),
    )


def _coming(asked: Asked, options: Sequence[Option]) -> Plan:
    left_s = None if asked.load_s is None else asked.load_s - asked.loading_for_s
    known = left_s is not None and left_s >= 0
    return Plan(
        model=asked.model,
        outcome="coming",
        message=f"A worker of {asked.model} is being started.",
        ready_in_s=round(left_s, 1) if known and left_s is not None else None,
        options=_rows(options, None),
    )


def _placed(
    asked: Asked,
    outcome: PlanOutcome,
    placement: Placement,
    options: Sequence[Option],
    evict: Sequence[PlanEviction] = (),
) -> Plan:
    chosen = next(
        one
        for one in options
        if (one.hive.id, one.device) == (placement.hive_id, placement.room_on)
    )
    where = f"{placement.hive_id}, {placement.room_on}" if placement.room_on else placement.hive_id
    load = placement.load
    sure = load is not None and not placement.download and not any(one.in_use for one in evict)
    first = f", after {len(evict)} worker(s) gave way" if evict else ""
    return Plan(
        model=asked.model,
        outcome=outcome,
        message=f"A worker of {asked.model} would be started on {where}{first}.",
        hive_id=str(placement.hive_id),
        device=placement.room_on,
        why=placement.why,
        ready_in_s=load.load_s if load is not None and sure else None,
        ready_source=load.source if load is not None and sure else None,
        download_bytes=chosen.download_bytes,
        evict=list(evict),
        options=_rows(options, chosen),
    )


def _evicting(asked: Asked, room: Eviction, options: Sequence[Option]) -> Plan:
    evict = [
        PlanEviction(
            worker_id=one.worker_id,
            model=one.model,
            hive_id=one.hive_id,
            size_bytes=one.size_bytes,
            idle_s=round(one.idle_s, 1),
            load_s=one.load_s,
            in_use=one.in_use,
        )
        for one in room.victims
    ]
    why = [f"{one.model} gives way: idle for {one.idle_s:.0f} s" for one in evict]
    return _placed(asked, "evict", as_placement(room.option, why, {}), options, evict)


def _not_now(asked: Asked, found: Refusal, world: World, options: Sequence[Option]) -> Plan:
    rows = _rows(options, None)
    if world.quiet:
        message = "The queen started a moment ago and still finds out what there is."
        return Plan(model=asked.model, outcome="wait", message=message, options=rows)
    if could_ever(options, world.standing, world.policy.settings, world.reserved):
        reason = f" ({world.doubt})" if world.doubt is not None else ""
        message = f"It would wait until what is loaded has had its turn{reason}."
        return Plan(model=asked.model, outcome="wait", message=message, options=rows)
    failure = world.troubles.latest(source_key(asked.model), world.now)
    error = found.error if failure is None else too_soon(failure, world.now)
    return Plan(
        model=asked.model,
        outcome="refuse",
        message=error.message,
        options=rows,
        code=error.code,
        remedy=error.remedy,
    )


def _rows(options: Sequence[Option], chosen: Option | None) -> list[PlanOption]:
    return [
        PlanOption(
            hive_id=str(one.hive.id),
            device=one.device,
            able=one.able,
            chosen=one is chosen,
            reason="; ".join(notes_of(one)) if one.able else one.reason,
            download_bytes=one.download_bytes,
            needed_bytes=None if one.fit is None else one.fit.needed_bytes,
            free_bytes=None if one.fit is None else one.fit.free_bytes,
            load_s=None if one.load is None else one.load.load_s,
            load_source=None if one.load is None else one.load.source,
        )
        for one in options
    ]
