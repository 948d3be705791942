"""What the reconciler does next: a pure function from demand and colony to actions.

For every model that somebody waits for: nothing while a worker serves it, comes,
or is being spawned; the remembered error while a failed spawn is too fresh to be
repeated; else the one spawn that placement chooses, or its refusal. However many
wait, one spawn happens. While the queen is quiet after her start, nothing does.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

import msgspec

from rbee.contracts.aliases import STARTER, resolve_alias
from rbee.errors import (
    ContractError,
    HubError,
    NoCapacity,
    RbeeError,
    StorageError,
)
from rbee.queen.registry.hives import HiveView
from rbee.queen.scheduling.demand import Wanted
from rbee.queen.scheduling.placement import Placement, Policy, Refusal, place

BACKOFF_S: Final = 10.0
"""A model that failed to start is not tried again for so long: a crash loop would
otherwise be driven by every client's retry."""

SILENCE_PATIENCE_S: Final = 8.0
"""How long a request waits for a hive that fell silent before it is told so: longer
than a hive's restart, and with the 3 s before it about when the hive shows as down."""


class Spawn(msgspec.Struct, frozen=True):
    """Start a worker of ``model`` there."""

    model: str
    placement: Placement


class Refuse(msgspec.Struct, frozen=True):
    """Tell all who wait for ``model``."""

    model: str
    error: RbeeError


Action: TypeAlias = Spawn | Refuse


class Failure(msgspec.Struct, frozen=True):
    """A spawn that failed, and when it may be tried again."""

    error: RbeeError
    again_at: float


class Supply(msgspec.Struct, frozen=True):
    """What a model has: workers in use, workers on their way."""

    serving: int
    coming: int


def decide(
    wanted: Sequence[Wanted],
    *,
    supply: Callable[[str], Supply],
    spawning: AbstractSet[str],
    failures: Mapping[str, Failure],
    hives: Sequence[HiveView],
    policy: Policy,
    quiet: bool,
    now: float,
) -> list[Action]:
    """The actions for now, those who wait longest first.

    ``spawning`` holds the keys (``source_key``) of the models whose spawn is in
    flight; ``failures`` the last failure by key; ``now`` is of the clock that
    ``Wanted.oldest_since`` uses.
    """
    if quiet:
        return []
    actions: list[Action] = []
    taken = set(spawning)
    for row in wanted:
        key = source_key(row.model)
        has = supply(row.model)
        if has.serving or has.coming or key in taken:
            continue
        failure = failures.get(key)
        if failure is not None and now < failure.again_at:
            actions.append(Refuse(row.model, too_soon(failure, now)))
            continue
        found = place(row.model, hives, policy, hive_id=row.hive_id)
        if isinstance(found, Placement):
            actions.append(Spawn(row.model, found))
            taken.add(key)
        elif not _wait_for_silent(found, row, now):
            actions.append(Refuse(row.model, found.error))
    return actions


def source_key(model: str) -> str:
    """One key for all names that lead to the same files: two aliases are one spawn.

    A model's id, and a name that no table knows, is its own key.
    """
    source = resolve_alias(model)
    if source is None:
        return model.casefold()
    return source.repo.casefold() if source.kind == "hub" else STARTER


def spawn_error(model: str, hive_id: str, error: RbeeError) -> RbeeError:
    """What waiting clients are told of a failed spawn: the hive's reason, and when to come back.

    The caller's own mistakes and the source's or the disk's refusals keep their
    class; the rest may go better next time and becomes NoCapacity.
    """
    if isinstance(error, ContractError | HubError | StorageError):
        return error
    return NoCapacity(
        f"{model!r} could not be started on {hive_id}: {error.message}",
        remedy=error.remedy,
        retry_after_s=int(BACKOFF_S),
    )


def too_soon(failure: Failure, now: float) -> RbeeError:
    """The error for a request that comes while a failed spawn is still fresh."""
    error = failure.error
    if not isinstance(error, NoCapacity):
        return copy.copy(error)  # raised anew for every request: tracebacks must not pile up
    left_s = max(1, round(failure.again_at - now))
    return NoCapacity(
        f"{error.message} It is tried again in {left_s} s at the earliest.",
        remedy=error.remedy,
        retry_after_s=left_s,
    )


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


def _wait_for_silent(refusal: Refusal, row: Wanted, now: float) -> bool:
    return refusal.transient and now - row.oldest_since < SILENCE_PATIENCE_S
