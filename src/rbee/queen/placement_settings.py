"""``[queen.placement]``: which models stay loaded, how many workers they get, who gives way.

Part of the queen's settings, and the policy of ``scheduling``'s decisions. Lengths
of time in seconds; every default has its reason beside it.
"""

from collections.abc import Callable

import msgspec


class ModelPlacement(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """``[queen.placement.models."NAME"]``: what is special about one model.

    The last worker of a ``pinned`` model is never stopped by the queen. ``hives`` and ``labels``
    say where it may run at all: on one of these hives, and on a hive that has all
    of these labels. Null means as for all models.
    """

    pinned: bool = False
    keep_alive_s: float | None = None
    replicas_min: int = 0
    replicas_max: int | None = None
    hives: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.keep_alive_s is not None and self.keep_alive_s < 0:
            raise ValueError("`keep_alive_s` must not be below 0")
        if self.replicas_min < 0 or (
            self.replicas_max is not None and self.replicas_max < max(1, self.replicas_min)
        ):
            raise ValueError("`replicas_max` must be at least 1 and `replicas_min`")


class PlacementSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for all models, and ``models`` for those that differ, by any of their names."""

    keep_alive_s: float = 900.0
    """An idle model is unloaded after so long; a person's pause is shorter than 15 minutes."""
    replicas_max: int = 4
    """Workers that one model may have: a busy one shall not take every device by itself."""
    grow_wait_s: float = 2.0
    """A queue that stands so long gets its model one more worker; a shorter one wants none."""
    shrink_idle_s: float = 120.0
    """An extra worker that is idle for so long goes: its memory may be wanted."""
    evict_idle_s: float = 1.0
    """A model gives way to another one when it is idle for so long; less is the gap between two
    requests of one client."""
    evict_grace_s: float = 3.0
    """A worker that just got ready is not evicted for so long: clients are on their way to it."""
    hold_s: float = 20.0
    """Who waits for a loaded model's memory lets it serve so long, and all who came before
    that: less time makes loading the main work, more makes people wait."""
    hold_max_s: float = 90.0
    """After so long a loaded model gives way whatever its queue: three turns fit into the
    longest wait (300 s)."""
    evict_manual: bool = False
    """Whether workers that a person spawned may be evicted too."""
    models: dict[str, ModelPlacement] = msgspec.field(default_factory=dict[str, ModelPlacement])
    """Models that differ, by any of their names: `pinned`, `keep_alive_s`, `replicas_min`,
    `replicas_max`, `hives`, `labels`."""

    def __post_init__(self) -> None:
        """Refuse numbers that would only fail later and elsewhere."""
        for name in (
            "keep_alive_s",
            "grow_wait_s",
            "shrink_idle_s",
            "evict_idle_s",
            "evict_grace_s",
            "hold_s",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be below 0")
        if self.hold_max_s < self.hold_s:
            raise ValueError("`hold_max_s` must not be below `hold_s`")
        if self.replicas_max < 1:
            raise ValueError("`replicas_max` must be at least 1")

    def of(self, model: str) -> ModelPlacement:
        """What is special about ``model``; the defaults when nothing is."""
        return self.models.get(model) or _USUAL

    def keep_alive_of(self, model: str) -> float:
        """How long ``model`` stays loaded without work."""
        own = self.of(model).keep_alive_s
        return self.keep_alive_s if own is None else own

    def replicas_max_of(self, model: str) -> int:
        """How many workers ``model`` may have."""
        own = self.of(model)
        return max(own.replicas_max or self.replicas_max, own.replicas_min)

    def kept_of(self, model: str) -> int:
        """How many workers of ``model`` the queen leaves running, whatever happens."""
        own = self.of(model)
        return max(own.replicas_min, int(own.pinned))

    def resolved(self, resolve: Callable[[str], str | None]) -> "PlacementSettings":
        """The same with ``models`` under the ids that their names stand for now."""
        if not self.models:
            return self
        rows = {resolve(name) or name: row for name, row in self.models.items()}
        return msgspec.structs.replace(self, models=rows)


_USUAL = ModelPlacement()
