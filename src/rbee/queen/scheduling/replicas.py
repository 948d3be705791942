"""How many workers a model should have: more under load, fewer when idle, none after keep-alive.

Pure. A model grows when its queue persists and one more worker would save more waiting
than its load costs; it shrinks when one of several was idle for a while, and its last
one goes after its keep-alive. Growing looks at waits of seconds and shrinking at
idleness of minutes, so that a load that comes and goes does not start and stop workers.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from rbee.queen.placement_settings import PlacementSettings

LOAD_ASSUMED_S: Final = 20.0  # where no load was measured, a wait of so long is worth one
SLOTS_ASSUMED: Final = 4  # a hive's default


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A model's queue and workers now. Times in seconds; unknown is null.

    ``workers`` counts those that serve, come, or are being spawned; ``slots`` are of
    those that serve. ``service_s`` is how long one request keeps a slot.
    """

    model: str
    waiting: int
    oldest_waited_s: float
    workers: int
    coming: int
    slots: int
    service_s: float | None = None
    load_s: float | None = None


class Idle(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that could be stopped."""

    worker_id: str
    hive_id: str
    model: str
    idle_s: float
    manual: bool = False
    in_use: bool = False


class Retire(msgspec.Struct, frozen=True):
    """Stop this worker; ``reason`` is ``keep_alive`` or ``shrink``."""

    worker_id: str
    hive_id: str
    model: str
    reason: str


def wants_more(load: Load, settings: PlacementSettings) -> str | None:
    """Why one more worker of a model that has some is worth its load; None when it is not."""
    if load.coming or load.workers >= settings.replicas_max_of(load.model):
        return None
    if not load.waiting or load.oldest_waited_s < settings.grow_wait_s:
        return None
    cost_s = LOAD_ASSUMED_S if load.load_s is None else load.load_s
    if load.service_s is None:
        # What a request takes is not known: having waited for a load's time is reason enough.
        if load.oldest_waited_s < cost_s:
            return None
        return f"{load.waiting} wait, the first for {load.oldest_waited_s:.0f} s"
    slots = max(1, load.slots)
    wait_s = load.waiting * load.service_s / slots
    with_one_more_s = load.waiting * load.service_s / (slots + slots / max(1, load.workers))
    if wait_s - with_one_more_s <= cost_s:
        return None
    return f"{load.waiting} wait for about {wait_s:.0f} s, and a load takes {cost_s:.0f} s"


def fewer_than_kept(model: str, workers: int, settings: PlacementSettings) -> bool:
    """Whether the settings want more workers of a model than there are, come or not."""
    return workers < settings.of(model).replicas_min


def to_retire(
    workers: Sequence[Idle], settings: PlacementSettings, *, waiting: bool
) -> Retire | None:
    """The one worker of a model that is not needed any more; None while all are.

    ``workers`` are all of the model's that serve. One at a time: the rest is
    looked at again when it has gone.
    """
    if not workers or waiting:
        return None
    model = workers[0].model
    able = [one for one in workers if not one.manual and not one.in_use]
    if not able or len(workers) <= settings.kept_of(model):
        return None
    idlest = max(able, key=lambda one: (one.idle_s, one.worker_id))
    keep_alive_s = settings.keep_alive_of(model)
    if idlest.idle_s >= keep_alive_s:
        return Retire(idlest.worker_id, idlest.hive_id, model, "keep_alive")
    if len(workers) > 1 and idlest.idle_s >= min(settings.shrink_idle_s, keep_alive_s):
        return Retire(idlest.worker_id, idlest.hive_id, model, "shrink")
    return None
