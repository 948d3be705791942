"""Where a model shall run: a pure function of its facts, the hives and the policy.

A hive is a candidate when it beats, takes work, has an engine, has the model (or
may fetch it) and has the memory for it by estimate. Among candidates: the one
that was wished for, then one with the file on its disk, then the idlest, then the
queen's own machine. Whatever the outcome, it says why, hive by hive. Nothing is
evicted here; a refusal says what uses the memory.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from rbee.contracts.aliases import looks_like_repository, resolve_alias
from rbee.contracts.ids import LOCAL_HIVE_NAMES, HiveId
from rbee.contracts.jobs import DeviceChoice
from rbee.contracts.models import Model, ModelFacts
from rbee.contracts.workers import SERVING
from rbee.errors import CorruptModel, ModelNotFound, NoCapacity, OutOfMemory, RbeeError
from rbee.fit import DeviceMemory, RunSettings, judge
from rbee.queen.registry.hives import HiveView
from rbee.queen.registry.liveness import may_spawn

WEIGHT_FACTOR: Final = 1.2
"""Memory per byte of file where the header's facts are not known: the weights as they lie
on disk, and a fifth for the cache and the buffers of a context of 8,192 tokens."""

SETTINGS_ASSUMED: Final = RunSettings(context_tokens=8_192, slots=4)
"""How a hive runs a model that nobody gave settings for (its defaults); it judges again."""

MEMORY_ALWAYS_BYTES: Final = 256 * 1024 * 1024  # the engine's process and its smallest buffers

_MIB: Final = 1024 * 1024
_IDLE_STEP_PCT: Final = 25.0  # differences in CPU use below this are noise of the second
_USERS_SHOWN_MAX: Final = 5  # a refusal names the largest few, not dozens


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator allows."""

    auto_download: bool = True


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Start it there. ``device`` null lets the hive choose among its own devices."""

    hive_id: HiveId
    hive_url: str
    why: list[str]
    download: bool = False
    device: DeviceChoice | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """It cannot run now, and why not, hive by hive.

    ``transient`` is true when a hive that might take it is merely silent: wait a
    little before telling anyone.
    """

    error: RbeeError
    reasons: dict[str, str]
    transient: bool = False


class _Candidate(msgspec.Struct, frozen=True):
    hive: HiveView
    on_disk: bool
    notes: list[str]


def place(
    model: str, hives: Sequence[HiveView], policy: Policy, *, hive_id: str | None = None
) -> Placement | Refusal:
    """Choose a hive for ``model``, an id or a name that no hive knows yet.

    ``hive_id`` is a wish: another hive serves when that one cannot.
    """
    candidates: list[_Candidate] = []
    reasons: dict[str, str] = {}
    for hive in hives:
        judged = _judge(model, hive, hives, policy)
        if isinstance(judged, str):
            reasons[str(hive.id)] = judged
        else:
            candidates.append(judged)
    if not candidates:
        return _refuse(model, hives, reasons, policy)
    chosen = min(candidates, key=lambda one: _rank(one, hive_id))
    why = [*chosen.notes, _preference(chosen, len(candidates), hive_id)]
    return Placement(
        hive_id=chosen.hive.id,
        hive_url=chosen.hive.url,
        why=why,
        download=not chosen.on_disk,
    )


def memory_needed_bytes(size_bytes: int) -> int:
    """The estimate for a model file of this size."""
    return int(size_bytes * WEIGHT_FACTOR) + MEMORY_ALWAYS_BYTES


def is_fetchable(model: str) -> bool:
    """Whether a hive could look for this name at a source."""
    return resolve_alias(model) is not None or looks_like_repository(model)


def _judge(
    model: str, hive: HiveView, hives: Sequence[HiveView], policy: Policy
) -> _Candidate | str:
    """A candidate with what speaks for it, or why it is none."""
    if (reason := _takes_nothing(hive)) is not None:
        return reason
    here = next((found for found in hive.models if found.id == model), None)
    if here is not None and here.status == "corrupt":
        return f"its file of {model} is damaged: {here.reason or 'no details'}"
    if here is None and (reason := _no_download(model, hive, policy)) is not None:
        return reason
    facts = here or next((m for one in hives for m in one.models if m.id == model), None)
    fit = _fits(facts, hive)
    if not fit.fits:
        return fit.note
    on_disk = here is not None and here.status == "available"
    disk = "the model is on its disk" if on_disk else "the model has to be downloaded first"
    return _Candidate(hive, on_disk, [disk, fit.note])


def _takes_nothing(hive: HiveView) -> str | None:
    """Why a hive starts no worker at all now, whatever the model; None when it does."""
    if not may_spawn(hive.state):
        return f"its beats are missing ({hive.state}), so nothing new is started there"
    if hive.info is not None and hive.info.operational_status != "ready":
        return f"it is {hive.info.operational_status}"
    return _no_engine(hive)


def _no_engine(hive: HiveView) -> str | None:
    engines = hive.capabilities.engines if hive.capabilities is not None else []
    if not engines or any(engine.usable for engine in engines):
        return None
    said = "; ".join(f"{engine.name}: {engine.reason or 'unusable'}" for engine in engines)
    return f"it has no usable engine ({said})"


def _no_download(model: str, hive: HiveView, policy: Policy) -> str | None:
    if not is_fetchable(model):
        return f"it does not have {model}, and no source is known for that name"
    if not hive.local:
        return f"it does not have {model} (only the queen's own machine downloads by itself)"
    if not policy.auto_download:
        return f"it does not have {model}, and auto_download is off"
    return None


class _Fit(msgspec.Struct, frozen=True):
    fits: bool
    note: str


def _fits(model: Model | None, hive: HiveView) -> _Fit:
    if model is None or (model.size_bytes is None and model.facts is None):
        return _Fit(fits=True, note="its size is unknown, so the memory was not checked")
    free_bytes = _free_bytes(hive)
    if free_bytes is None:
        return _Fit(fits=True, note="the hive's free memory is unknown, so it was not checked")
    if model.facts is not None:
        return _fits_by_facts(model, model.facts, hive, free_bytes)
    return _fits_by_size(model.size_bytes or 0, hive, free_bytes)


def _fits_by_facts(model: Model, facts: ModelFacts, hive: HiveView, free_bytes: int) -> _Fit:
    """By what the header says. What may or may not fit is tried: the hive looks closer."""
    context = min(SETTINGS_ASSUMED.context_tokens, model.context_length or math.inf)
    settings = msgspec.structs.replace(SETTINGS_ASSUMED, context_tokens=int(context))
    memory = DeviceMemory(id="it", free_bytes=free_bytes)
    verdict = judge(facts, settings, memory)
    if verdict.fits == "no":
        ways = f"; {' or '.join(verdict.remedies)}" if verdict.remedies else ""
        return _Fit(fits=False, note=f"too little memory: {verdict.reason}{ways}{_users(hive)}")
    return _Fit(fits=True, note=verdict.reason)


def _fits_by_size(size_bytes: int, hive: HiveView, free_bytes: int) -> _Fit:
    needed = memory_needed_bytes(size_bytes)
    numbers = f"about {needed // _MIB} MiB needed, {free_bytes // _MIB} MiB free"
    if needed <= free_bytes:
        return _Fit(fits=True, note=numbers)
    return _Fit(fits=False, note=f"too little memory: {numbers}{_users(hive)}")


def _free_bytes(hive: HiveView) -> int | None:
    """The largest free memory of the machine: its RAM, or one of its GPUs."""
    node = hive.node
    free_mb: list[float] = []
    if node.ram_total_mb is not None and node.ram_used_mb is not None:
        free_mb.append(node.ram_total_mb - node.ram_used_mb)
    free_mb += [
        gpu.vram_total_mb - gpu.vram_used_mb
        for gpu in node.gpus
        if gpu.vram_total_mb is not None and gpu.vram_used_mb is not None
    ]
    return int(max(free_mb) * _MIB) if free_mb else None


def _users(hive: HiveView) -> str:
    """Who uses the memory, the largest first."""
    known = [worker for worker in hive.workers if worker.rss_mb is not None]
    known.sort(key=lambda worker: worker.rss_mb or 0.0, reverse=True)
    named = [f"{worker.model} {worker.rss_mb:.0f} MiB" for worker in known[:_USERS_SHOWN_MAX]]
    return f"; its workers use {', '.join(named)}" if named else "; none of it by workers of rbee"


def _is_wished(hive: HiveView, wish: str | None) -> bool:
    return wish is not None and (
        hive.id == wish or (hive.local and wish.lower() in LOCAL_HIVE_NAMES)
    )


def _busy_slots(hive: HiveView) -> int:
    return sum(worker.slots_busy or 0 for worker in hive.workers if worker.status in SERVING)


def _rank(one: _Candidate, wish: str | None) -> tuple[bool, bool, int, int, bool, str]:
    hive = one.hive
    return (
        not _is_wished(hive, wish),
        not one.on_disk,
        _busy_slots(hive),
        int((hive.node.cpu_pct or 0.0) // _IDLE_STEP_PCT),
        not hive.local,
        str(hive.id),
    )


def _preference(chosen: _Candidate, candidates: int, wish: str | None) -> str:
    if candidates == 1:
        return "the only hive that can take it"
    if _is_wished(chosen.hive, wish):
        return "the hive that was asked for"
    return f"the best of {candidates}: on disk first, then the idlest, then this machine"


def _refuse(
    model: str, hives: Sequence[HiveView], reasons: dict[str, str], policy: Policy
) -> Refusal:
    if not hives:
        error: RbeeError = NoCapacity(
            f"No hive has joined this queen, so nothing can run {model!r}.",
            remedy="`rbee up` starts a hive on this machine.",
        )
        return Refusal(error=error, reasons=reasons)
    silent = any(hive.state == "degraded" for hive in hives)
    told = " ".join(f"{hive}: {reason}." for hive, reason in reasons.items())
    rows = [found for hive in hives for found in hive.models if found.id == model]
    if not rows and not (is_fetchable(model) and policy.auto_download):
        error = ModelNotFound(f"No hive has the model {model!r}. {told}", param="model")
    elif rows and all(row.status == "corrupt" for row in rows):
        error = CorruptModel(f"The model {model!r} cannot be started. {told}")
    else:
        error = NoCapacity(
            f"No hive can run {model!r} now. {told}",
            remedy=OutOfMemory.remedy if "too little memory" in told else NoCapacity.remedy,
        )
    return Refusal(error=error, reasons=reasons, transient=silent)
