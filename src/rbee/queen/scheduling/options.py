"""Every hive and device, and what it could do for a model now: the ground of all placement.

Pure. One ``Option`` per device, or one per hive where the whole hive is out: able,
or blocked and by what. ``placement`` takes the best that is able; ``eviction`` looks
at those that only memory blocks; ``plan`` shows them all. Each says why in words.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Literal

import msgspec

from rbee.contracts.aliases import looks_like_repository, resolve_alias
from rbee.contracts.ids import LOCAL_HIVE_NAMES
from rbee.contracts.models import Model
from rbee.contracts.workers import SERVING
from rbee.queen.placement_settings import PlacementSettings
from rbee.queen.registry.hives import HiveView
from rbee.queen.registry.liveness import may_spawn
from rbee.queen.scheduling.loading import LoadTime, LoadTimes
from rbee.queen.scheduling.memory import Fit, Reserved, Room, fits, needed_bytes, ram, rooms

Blocked = Literal["hive", "settings", "failed", "source", "corrupt", "device", "memory"]

_USERS_SHOWN_MAX: Final = 5  # a refusal names the largest few, not dozens


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator allows."""

    auto_download: bool = True
    settings: PlacementSettings = PlacementSettings()


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is wanted for.

    ``hive_id`` is a wish: another hive serves when that one cannot. ``labels`` are
    an order. ``avoid`` are hives that failed to start this model a moment ago,
    with the reason; ``passed_over`` hives whose spawns fail, whatever the model,
    taken only when no other can. ``taken`` are (hive, device) pairs that have a
    worker of the model already, where a second one would bring no speed. ``given``: a
    hive has the model for others to copy, so none needs a source outside of the colony.
    ``offered`` is what a source says of a model that no hive has.
    """

    model: str
    hive_id: str | None = None
    labels: frozenset[str] = frozenset()
    avoid: Mapping[str, str] = {}
    passed_over: AbstractSet[str] = frozenset[str]()
    taken: AbstractSet[tuple[str, str]] = frozenset[tuple[str, str]]()
    reserved: Sequence[Reserved] = ()
    given: bool = False
    offered: Model | None = None


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """What one device of a hive could do. ``reason`` says why not where it is blocked."""

    hive: HiveView
    device: str | None
    blocked: Blocked | None = None
    reason: str = ""
    on_disk: bool = False
    download_bytes: int | None = None
    named: bool = False
    fit: Fit | None = None
    spills: bool = False
    """Part of it would lie in the machine's memory beside the GPU's."""
    on_cpu: bool = False
    load: LoadTime | None = None
    passed_over: bool = False

    @property
    def able(self) -> bool:
        """Whether a worker can be started there now."""
        return self.blocked is None


def find_options(ask: Ask, hives: Sequence[HiveView], policy: Policy) -> list[Option]:
    """All options for ``ask``, hive by hive."""
    known, loads = known_row(ask.model, hives) or ask.offered, LoadTimes(ask.model, hives)
    if is_given(ask.model, hives):
        ask = msgspec.structs.replace(ask, given=True)
    return [option for hive in hives for option in _of_hive(ask, hive, policy, known, loads)]


def is_fetchable(model: str) -> bool:
    """Whether a hive could look for this name at a source."""
    return resolve_alias(model) is not None or looks_like_repository(model)


def is_given(model: str, hives: Sequence[HiveView]) -> bool:
    """Whether a hive that answers has the model whole, with its digest, for others to copy."""
    return any(
        row.id == model and row.status == "available" and row.sha256 is not None
        for hive in hives
        if may_spawn(hive.state)
        for row in hive.models
    )


def is_wished(hive: HiveView, wish: str | None) -> bool:
    """Whether ``wish`` names this hive."""
    return wish is not None and (
        hive.id == wish or (hive.local and wish.lower() in LOCAL_HIVE_NAMES)
    )


def busy_slots(hive: HiveView) -> int:
    """How many requests the hive's workers are at."""
    return sum(worker.slots_busy or 0 for worker in hive.workers if worker.status in SERVING)


def known_row(model: str, hives: Sequence[HiveView]) -> Model | None:
    """What any hive says of the model, one that has it whole first."""
    rows = [row for hive in hives for row in hive.models if row.id == model]
    return next((row for row in rows if row.status == "available"), rows[0] if rows else None)


def expected_bytes(model: str, hives: Sequence[HiveView]) -> int:
    """The memory to reserve for a worker of ``model``; 0 where nothing is known."""
    row = known_row(model, hives)
    return 0 if row is None else needed_bytes(row) or 0


def _of_hive(
    ask: Ask, hive: HiveView, policy: Policy, known: Model | None, loads: LoadTimes
) -> list[Option]:
    blocked = _blocked(ask, hive, policy)
    if blocked is not None:
        return [Option(hive=hive, device=None, blocked=blocked[0], reason=blocked[1])]
    here = next((row for row in hive.models if row.id == ask.model), None)
    facts = here or known
    on_disk = here is not None and here.status == "available"
    bare = Option(
        hive=hive,
        device=None,
        on_disk=on_disk,
        download_bytes=0 if on_disk else (None if facts is None else facts.size_bytes),
        load=loads.on(hive),
        passed_over=hive.id in ask.passed_over,
    )
    return [_of_device(bare, room, facts, ask) for room in rooms(hive, ask.reserved)]


def _of_device(bare: Option, room: Room, facts: Model | None, ask: Ask) -> Option:
    option = msgspec.structs.replace(bare, device=room.device, named=room.named, on_cpu=room.on_cpu)
    if (str(bare.hive.id), room.device) in ask.taken:
        reason = f"{room.device} has a worker of {ask.model} already"
        return msgspec.structs.replace(option, blocked="device", reason=reason)
    fit = fits(facts, room)
    if fit.fits != "no":
        return msgspec.structs.replace(option, fit=fit)
    spilled = None if room.on_cpu else _with_ram(facts, room, ram(bare.hive, ask.reserved))
    if spilled is not None:
        return msgspec.structs.replace(option, fit=spilled, spills=True)
    ways = f"; {' or '.join(fit.remedies)}" if fit.remedies else ""
    reason = f"{fit.note}{ways}{_users(bare.hive)}"
    return msgspec.structs.replace(option, fit=fit, blocked="memory", reason=reason)


def _with_ram(facts: Model | None, gpu: Room, host: Room) -> Fit | None:
    """The fit of a model of which the engine leaves a part to the CPU; None without one."""
    if host.free_bytes is None or gpu.free_bytes is None:
        return None
    both = msgspec.structs.replace(
        gpu,
        device=f"{gpu.device} and {host.device}",
        free_bytes=gpu.free_bytes + host.free_bytes,
    )
    fit = fits(facts, both)
    return fit if fit.fits == "yes" else None


# ── why a whole hive is out ──────────────────────────────────────────────────


def _blocked(ask: Ask, hive: HiveView, policy: Policy) -> tuple[Blocked, str] | None:
    if (reason := _takes_nothing(hive)) is not None:
        return "hive", reason
    if (reason := _not_allowed(ask, hive, policy)) is not None:
        return "settings", reason
    here = next((row for row in hive.models if row.id == ask.model), None)
    if here is not None and here.status == "corrupt":
        return "corrupt", f"its file of {ask.model} is damaged: {here.reason or 'no details'}"
    if here is None and not ask.given and (reason := _no_download(ask.model, hive, policy)):
        return "source", reason
    if (failed := ask.avoid.get(str(hive.id))) is not None:
        return "failed", f"it failed to start it a moment ago: {failed}"
    return None


def _takes_nothing(hive: HiveView) -> str | None:
    """Why a hive starts no worker at all now, whatever the model; None when it does."""
    if not may_spawn(hive.state):
        return f"its beats are missing ({hive.state}), so nothing new is started there"
    if not hive.told_models:
        return "it has not told its models yet"
    if hive.info is not None and hive.info.operational_status != "ready":
        return f"it is {hive.info.operational_status}"
    engines = hive.capabilities.engines if hive.capabilities is not None else []
    if not engines or any(engine.usable for engine in engines):
        return None
    said = "; ".join(f"{engine.name}: {engine.reason or 'unusable'}" for engine in engines)
    return f"it has no usable engine ({said})"


def _not_allowed(ask: Ask, hive: HiveView, policy: Policy) -> str | None:
    own = policy.settings.of(ask.model)
    if own.hives and not any(is_wished(hive, name) for name in own.hives):
        return f"the settings keep {ask.model} to {', '.join(own.hives)}"
    has = frozenset(hive.info.labels) if hive.info is not None else frozenset[str]()
    missing = sorted((ask.labels | set(own.labels)) - has)
    return f"it has not the label {', '.join(missing)}" if missing else None


def _no_download(model: str, hive: HiveView, policy: Policy) -> str | None:
    if not is_fetchable(model):
        return f"it does not have {model}, and no source is known for that name"
    if not hive.local:
        return f"it does not have {model} (only the queen's own machine downloads by itself)"
    if not policy.auto_download:
        return f"it does not have {model}, and auto_download is off"
    return None


def _users(hive: HiveView) -> str:
    """Who uses the memory, the largest first."""
    known = [worker for worker in hive.workers if worker.rss_mb is not None]
    known.sort(key=lambda worker: worker.rss_mb or 0.0, reverse=True)
    named = [f"{worker.model} {worker.rss_mb:.0f} MiB" for worker in known[:_USERS_SHOWN_MAX]]
    return f"; its workers use {', '.join(named)}" if named else "; none of it by workers of rbee"
