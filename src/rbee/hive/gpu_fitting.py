"""What a worker needs of its GPUs, and whether each has it. Pure.

``fitting`` brings the header's facts and the GPUs' memory beside their other
workers. A worker's own choice of layers and split is reckoned with as the engine
will carry it out; what was measured of the same run is preferred.
"""

from collections.abc import Mapping, Sequence

import msgspec

from rbee.contracts.jobs import ALL_LAYERS
from rbee.contracts.models import ModelFacts
from rbee.errors import NoCapacity
from rbee.fit import (
    DeviceMemory,
    Measured,
    OffloadPlan,
    RunSettings,
    available_bytes,
    chosen_offload,
    judge_shares,
)
from rbee.fit.memory import MEASURED_ERROR
from rbee.hive.engines.engine import LaunchSpec


def plan_of(
    facts: ModelFacts, settings: RunSettings, spec: LaunchSpec, gpus: Sequence[DeviceMemory]
) -> OffloadPlan:
    """What ``spec``'s own layers and split put on each of its ``gpus``; null layers: all."""
    split: Sequence[float] | None = spec.tensor_split
    if spec.split_mode == "none" and len(gpus) > 1:
        main = spec.main_gpu or 0
        split = [float(index == main) for index in range(len(gpus))]
    layers = ALL_LAYERS if spec.gpu_layers is None else spec.gpu_layers
    return chosen_offload(facts, settings, gpus, layers=layers, split=split)


def needs_of(spec: LaunchSpec, settings: RunSettings, facts: ModelFacts) -> Mapping[str, int]:
    """Bytes that ``spec`` will hold on each device; empty where that is not known."""
    plan = plan_of(facts, settings, spec, [DeviceMemory(id=name) for name in spec.device_ids])
    return {share.device: share.needed_bytes for share in plan.shares}


def whole_on(spec: LaunchSpec, gpu: DeviceMemory) -> LaunchSpec:
    """``spec`` with all of its layers on one GPU."""
    return msgspec.structs.replace(spec, device_ids=(gpu.id,), gpu_layers=ALL_LAYERS)


def has_room(measured: Measured | None, gpu: DeviceMemory) -> bool:
    """Whether a run that was measured fits into what may be used of ``gpu``."""
    room = available_bytes(gpu)
    if measured is None or room is None:
        return False
    return measured.peak_bytes * (1 + MEASURED_ERROR) <= room


def with_measured(plan: OffloadPlan, measured: Measured | None) -> OffloadPlan:
    """``plan`` with its shares scaled to what the same run really held on its GPUs."""
    reckoned = sum(share.needed_bytes for share in plan.shares)
    if measured is None or not reckoned:
        return plan
    shares = [
        msgspec.structs.replace(
            share,
            needed_bytes=_part(measured, share.needed_bytes, reckoned, 1 + MEASURED_ERROR),
            low_bytes=_part(measured, share.needed_bytes, reckoned, 1 - MEASURED_ERROR),
        )
        for share in plan.shares
    ]
    return msgspec.structs.replace(
        plan, shares=tuple(shares), reason=f"{plan.reason} (its memory was measured)"
    )


def refuse_full_gpus(spec: LaunchSpec, plan: OffloadPlan, gpus: Sequence[DeviceMemory]) -> str:
    """The numbers of each GPU.

    Raises:
        NoCapacity: a share certainly does not fit.
    """
    fits, numbers = judge_shares(plan.shares, gpus)
    if fits == "no":
        raise NoCapacity(
            f"{spec.model} with a context of {spec.context_tokens:,} tokens has no room there:"
            f" {plan.reason}; {numbers}.",
            remedy="Leave `gpu_layers` and the split out and they are chosen to fit; or take"
            " fewer layers, a smaller `context_length` or another `device`.",
        )
    return numbers


def _part(measured: Measured, share: int, whole: int, factor: float) -> int:
    return int(measured.peak_bytes * factor * share / whole)
