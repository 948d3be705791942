"""Which layers go to which GPU, and what layers that somebody chose need there.

llama.cpp puts the last layers on GPUs, the output counting as one more, and cuts
that run into neighbouring pieces by ``tensor_split``. The plan: one GPU when one
can hold everything, else as many layers as there is room for, shared out by free
memory. The rest stays with the CPU. ``judge_shares`` weighs a choice that was made
elsewhere: by hand, or for a worker that loads already.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from rbee.contracts.models import ModelFacts
from rbee.fit.cache import layer_caches
from rbee.fit.memory import PART_ERROR, compute_bytes
from rbee.fit.settings import RunSettings
from rbee.fit.verdict import DeviceMemory, available_bytes

GPU_CONTEXT_BYTES: Final = 512 * 1024 * 1024  # a driver's own share per process: 300 to 500 MiB
_MIB: Final = 1024 * 1024


class GpuShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one GPU gets; ``needed_bytes`` counts buffers and the driver's share too.

    ``low_bytes`` is the least that it can be: weights and caches are known, of the
    rest the estimate's error is taken off.
    """

    device: str
    layers: int
    needed_bytes: int
    low_bytes: int = 0


class OffloadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """``gpu_layers`` of ``layers`` (the output is one of them) go to GPUs.

    Null when the header does not say enough: let the engine choose then.
    ``host_bytes`` are the weights and caches left to the CPU. ``tensor_split``
    is the engine's setting: each GPU's share, in the order given.
    """

    gpu_layers: int | None
    layers: int
    shares: tuple[GpuShare, ...]
    host_bytes: int
    reason: str

    @property
    def tensor_split(self) -> tuple[int, ...]:
        """Layers per GPU, which the engine takes as proportions."""
        return tuple(share.layers for share in self.shares)


class _Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the units that are placed; ``compute_bytes`` is needed on each GPU."""

    units: tuple[int, ...]
    compute_bytes: int


def plan_offload(
    facts: ModelFacts,
    settings: RunSettings,
    gpus: Sequence[DeviceMemory],
    *,
    spread: bool = False,
) -> OffloadPlan:
    """Place the layers of ``facts`` on ``gpus``, in their order.

    A GPU whose free memory is unknown gets nothing. ``spread`` uses all of them
    even where one could hold everything: somebody named them.
    """
    sizes = _sizes(facts, settings)
    if isinstance(sizes, str):
        return _undecided(facts, sizes)
    units = sizes.units
    fixed = int(sizes.compute_bytes * (1 + PART_ERROR)) + GPU_CONTEXT_BYTES
    rooms = [max(0, (available_bytes(gpu) or 0) - fixed) for gpu in gpus]
    counts = _place(units, rooms, spread=spread)
    placed = sum(counts)
    return OffloadPlan(
        gpu_layers=placed,
        layers=len(units),
        shares=_shares(sizes, counts, gpus),
        host_bytes=sum(units[: len(units) - placed]),
        reason=_reason(placed, len(units), counts, gpus),
    )


def chosen_offload(
    facts: ModelFacts,
    settings: RunSettings,
    gpus: Sequence[DeviceMemory],
    *,
    layers: int,
    split: Sequence[float] | None = None,
) -> OffloadPlan:
    """What ``layers`` (below 0: all) cut by ``split`` mean for each of ``gpus``.

    Nothing is weighed: this is a choice that was made. Without a split, several GPUs
    share by what is free on each, as the engine does it.
    """
    sizes = _sizes(facts, settings)
    if isinstance(sizes, str):
        return _undecided(facts, sizes)
    units = sizes.units
    placed = len(units) if layers < 0 else min(layers, len(units))
    shares = split if split is not None else [available_bytes(gpu) or 0 for gpu in gpus]
    counts = _cut(placed, shares if sum(shares) > 0 else [1.0] * len(gpus))
    return OffloadPlan(
        gpu_layers=placed,
        layers=len(units),
        shares=_shares(sizes, counts, gpus),
        host_bytes=sum(units[: len(units) - placed]),
        reason=_reason(placed, len(units), counts, gpus),
    )


def judge_shares(
    shares: Sequence[GpuShare], gpus: Sequence[DeviceMemory]
) -> tuple[Literal["yes", "no", "unknown"], str]:
    """Whether every GPU has room for its share, and the tightest one's numbers."""
    worst: Literal["yes", "no", "unknown"] = "yes"
    told: list[str] = []
    for share, gpu in zip(shares, gpus, strict=True):
        if not share.layers:
            continue
        room = available_bytes(gpu)
        if room is None:
            worst = "unknown" if worst == "yes" else worst
            told.append(f"the free memory of {gpu.id} is unknown")
            continue
        told.append(f"{_mib(share.needed_bytes)} needed on {gpu.id}, {_mib(room)} may be used")
        if share.low_bytes > room:
            worst = "no"
        elif share.needed_bytes > room and worst == "yes":
            worst = "unknown"
    return worst, "; ".join(told) or "no layer is on a GPU"


def _sizes(facts: ModelFacts, settings: RunSettings) -> _Sizes | str:
    """The units, or why they are not known."""
    caches = layer_caches(facts, settings)
    compute = compute_bytes(facts, settings)
    if caches.by_layer is None or compute.size_bytes is None or not facts.layer_bytes:
        missing = ", ".join((*caches.missing, *compute.missing)) or "sizes of the layers"
        return f"unknown is {missing}"
    if len(facts.layer_bytes) != len(caches.by_layer):
        return "the header's layers and its tensors do not agree"
    units = [w + c for w, c in zip(facts.layer_bytes, caches.by_layer, strict=True)]
    return _Sizes(units=(*units, facts.output_bytes), compute_bytes=compute.size_bytes)


def _cut(placed: int, shares: Sequence[float]) -> list[int]:
    """``placed`` units in pieces as ``shares``: each goes where its place in the run falls."""
    whole, counts = sum(shares), [0] * len(shares)
    for unit in range(placed):
        index, bound = 0, shares[0]
        while index + 1 < len(shares) and unit * whole >= placed * bound:
            index += 1
            bound += shares[index]
        counts[index] += 1
    return counts


def _place(units: Sequence[int], rooms: Sequence[int], *, spread: bool) -> list[int]:
    """How many units each GPU gets: pieces of the run's end, in order."""
    whole = sum(units)
    roomiest = max(range(len(rooms)), key=lambda index: rooms[index], default=None)
    if roomiest is not None and whole <= rooms[roomiest] and not spread:
        return [len(units) if index == roomiest else 0 for index in range(len(rooms))]
    low, high = 0, len(units)
    while low < high:  # dropping a unit never makes a fitting run too large
        middle = (low + high + 1) // 2
        if _filled(units[len(units) - middle :], rooms) is not None:
            low = middle
        else:
            high = middle - 1
    run = units[len(units) - low :]
    return _balanced(run, rooms) or _filled(run, rooms) or [0] * len(rooms)


def _filled(run: Sequence[int], rooms: Sequence[int]) -> list[int] | None:
    """Each GPU filled before the next one; None when something is left over."""
    counts, at = [0] * len(rooms), 0
    for index, room in enumerate(rooms):
        left = room
        while room > 0 and at < len(run) and run[at] <= left:  # a unit may be of 0 bytes
            left -= run[at]
            counts[index] += 1
            at += 1
    return counts if at == len(run) else None


def _balanced(run: Sequence[int], rooms: Sequence[int]) -> list[int] | None:
    """Each GPU loaded by its share of the room; None when that overfills one."""
    whole, room = sum(run), sum(rooms)
    if not run or room <= 0:
        return None
    counts, loads = [0] * len(rooms), [0] * len(rooms)
    index, done, bound = 0, 0, rooms[0]
    for size in run:
        while index + 1 < len(rooms) and (done + size / 2) * room > whole * bound:
            index += 1
            bound += rooms[index]
        counts[index] += 1
        loads[index] += size
        done += size
    fits = all(load <= free for load, free in zip(loads, rooms, strict=True))
    return counts if fits else None


def _shares(
    sizes: _Sizes, counts: Sequence[int], gpus: Sequence[DeviceMemory]
) -> tuple[GpuShare, ...]:
    fixed = int(sizes.compute_bytes * (1 + PART_ERROR)) + GPU_CONTEXT_BYTES
    least = int(sizes.compute_bytes * (1 - PART_ERROR))
    shares: list[GpuShare] = []
    at = len(sizes.units) - sum(counts)
    for gpu, count in zip(gpus, counts, strict=True):
        held = sum(sizes.units[at : at + count])
        at += count
        shares.append(
            GpuShare(
                device=gpu.id,
                layers=count,
                needed_bytes=held + fixed if count else 0,
                low_bytes=held + least if count else 0,
            )
        )
    return tuple(shares)


def _reason(placed: int, layers: int, counts: Sequence[int], gpus: Sequence[DeviceMemory]) -> str:
    if not placed:
        return "no GPU has room for a layer beside the engine's buffers"
    used = [f"{count} on {gpu.id}" for count, gpu in zip(counts, gpus, strict=True) if count]
    rest = f", {layers - placed} stay with the CPU" if placed < layers else ""
    return f"{placed} of {layers} layers: {', '.join(used)}{rest}"


def _undecided(facts: ModelFacts, why: str) -> OffloadPlan:
    return OffloadPlan(
        gpu_layers=None, layers=(facts.block_count or 0) + 1, shares=(), host_bytes=0, reason=why
    )


def _mib(size_bytes: int) -> str:
    return f"{-(-size_bytes // _MIB):,} MiB"
