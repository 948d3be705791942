"""Where a model shall run: a pure function of the hives, their telemetry and the policy.

A hive is a candidate when it beats, takes work, has an engine, has the model (or
may fetch it) and has the memory for it on one of its devices. Among candidates: the
one that was wished for, then one whose spawns do not fail, then one with the file on
its disk, on a GPU and whole there, quickest to load by what was measured, idlest, the
queen's own machine. Whatever the outcome, it says why, hive by hive. Nothing is
evicted here (``eviction``); a refusal says what uses the memory.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from rbee.contracts.ids import HiveId
from rbee.contracts.jobs import DeviceChoice
from rbee.errors import CorruptModel, ModelNotFound, NoCapacity, OutOfMemory, RbeeError
from rbee.queen.registry.hives import HiveView
from rbee.queen.scheduling.loading import LoadTime
from rbee.queen.scheduling.options import (
    Ask,
    Option,
    Policy,
    busy_slots,
    find_options,
    is_fetchable,
    is_wished,
)

LOAD_STEP: Final = 1.5  # load times that differ by less than this factor count as equal: noise
_IDLE_STEP_PCT: Final = 25.0  # differences in CPU use below this are noise of the second
_LOAD_WORDS: Final = {
    "measured": "by its own loads",
    "measured_elsewhere": "by loads on other hives",
    "estimated": "estimated by its other loads",
}


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Start it there. ``device`` null lets the hive choose among its own devices.

    ``room_on`` is the device whose memory it will take, ``needed_bytes`` how much;
    ``others`` says of every other hive why it was not chosen.
    """

    hive_id: HiveId
    hive_url: str
    why: list[str]
    download: bool = False
    device: DeviceChoice | None = None
    room_on: str | None = None
    needed_bytes: int | None = None
    load: LoadTime | None = None
    others: dict[str, str] = {}


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """It cannot run now, and why not, hive by hive.

    ``transient`` is true when a hive that might take it is merely silent, or has not
    told its models yet: wait a little before telling anyone.
    """

    error: RbeeError
    reasons: dict[str, str]
    transient: bool = False


def place(
    ask: Ask, hives: Sequence[HiveView], policy: Policy, options: Sequence[Option] | None = None
) -> Placement | Refusal:
    """Choose a hive and device for ``ask.model``, an id or a name that no hive knows yet.

    ``options`` are those of ``find_options``, for who has them already.
    """
    if options is None:
        options = find_options(ask, hives, policy)
    able = [option for option in options if option.able]
    if not able:
        return _refuse(ask.model, hives, options, policy)
    usual_s = usual_load_s(able)
    chosen = min(able, key=lambda one: rank(one, ask.hive_id, usual_s))
    others = {
        str(one.hive.id): "it could too, and is ranked lower" if one.able else one.reason
        for one in sorted(options, key=lambda one: one.able)
        if one.hive.id != chosen.hive.id
    }
    candidates = len({one.hive.id for one in able})
    return as_placement(chosen, [_preference(chosen, candidates, ask.hive_id)], others)


def as_placement(option: Option, why: Sequence[str], others: dict[str, str]) -> Placement:
    """The command that an option stands for."""
    return Placement(
        hive_id=option.hive.id,
        hive_url=option.hive.url,
        why=[*notes_of(option), *why],
        download=not option.on_disk,
        device=option.device if option.named else None,
        room_on=option.device,
        needed_bytes=None if option.fit is None else option.fit.needed_bytes,
        load=option.load,
        others=others,
    )


def notes_of(option: Option) -> list[str]:
    """What speaks for an option, and what does not."""
    notes = [
        "the model is on its disk" if option.on_disk else "the model has to be downloaded first"
    ]
    if option.fit is not None:
        notes.append(option.fit.note)
    if option.spills:
        notes.append("a part of it lies in the machine's memory, which is slower")
    if option.load is not None:
        notes.append(f"loads in about {option.load.load_s:.1f} s {_LOAD_WORDS[option.load.source]}")
    if option.passed_over:
        notes.append("its last spawns failed, and no other hive can take it")
    return notes


def usual_load_s(options: Sequence[Option]) -> float | None:
    """A load time for those whose own is not known: neither praise nor blame."""
    known = [option.load.load_s for option in options if option.load is not None]
    return sum(known) / len(known) if known else None


def rank(option: Option, wish: str | None, usual_s: float | None) -> tuple[object, ...]:
    """The order of preference; smaller is better."""
    hive = option.hive
    return (
        not is_wished(hive, wish),
        option.passed_over,
        not option.on_disk,
        _slowness(option),
        _load_class(option, usual_s),
        busy_slots(hive),
        int((hive.node.cpu_pct or 0.0) // _IDLE_STEP_PCT),
        not hive.local,
        str(hive.id),
        -_free(option),
        option.device or "",
    )


def _slowness(option: Option) -> int:
    """Whole on a GPU, partly on one, on the CPU: each answers many times slower than the former."""
    return 2 if option.on_cpu else int(option.spills)


def _load_class(option: Option, usual_s: float | None) -> int:
    load_s = option.load.load_s if option.load is not None else usual_s
    return 0 if not load_s else round(math.log(max(load_s, 0.1), LOAD_STEP))


def _free(option: Option) -> int:
    """What would be left of the room, as far as it is known: the roomier device of equals."""
    return 0 if option.fit is None else option.fit.free_bytes or 0


def _preference(chosen: Option, candidates: int, wish: str | None) -> str:
    if candidates == 1:
        return "the only hive that can take it"
    if is_wished(chosen.hive, wish):
        return "the hive that was asked for"
    return (
        f"the best of {candidates}: on disk first, then on a GPU, then the quickest "
        "to load, then the idlest, then this machine"
    )


def reasons_of(options: Sequence[Option]) -> dict[str, str]:
    """Why each hive cannot; the reasons of its devices together."""
    told: dict[str, list[str]] = {}
    for option in options:
        if not option.able:
            rows = told.setdefault(str(option.hive.id), [])
            rows += [option.reason] if option.reason not in rows else []
    return {hive: "; ".join(rows) for hive, rows in told.items()}


def _refuse(
    model: str, hives: Sequence[HiveView], options: Sequence[Option], policy: Policy
) -> Refusal:
    reasons = reasons_of(options)
    if not hives:
        error: RbeeError = NoCapacity(
            f"No hive has joined this queen, so nothing can run {model!r}.",
            remedy="`rbee up` starts a hive on this machine.",
        )
        return Refusal(error=error, reasons=reasons)
    silent = any(
        hive.state == "degraded" or (hive.state == "fresh" and not hive.told_models)
        for hive in hives
    )
    told = " ".join(f"{hive}: {reason}." for hive, reason in reasons.items())
    rows = [found for hive in hives for found in hive.models if found.id == model]
    if not rows and not (is_fetchable(model) and policy.auto_download):
        error = ModelNotFound(f"No hive has the model {model!r}. {told}", param="model")
    elif rows and all(row.status == "corrupt" for row in rows):
        error = CorruptModel(f"The model {model!r} cannot be started. {told}")
    else:
        short = any(option.blocked == "memory" for option in options)
        error = NoCapacity(
            f"No hive can run {model!r} now. {told}",
            remedy=OutOfMemory.remedy if short else NoCapacity.remedy,
        )
    return Refusal(error=error, reasons=reasons, transient=silent)
