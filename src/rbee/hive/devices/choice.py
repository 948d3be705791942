"""Which devices a request means, and how the model lies on them. Pure.

Comes from ``operations`` with a spawn and the detected devices; goes into the
worker's ``LaunchSpec``. What is refused is refused with what there is instead.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from rbee.contracts.hives import Device, DeviceProblem, DeviceType
from rbee.contracts.jobs import DeviceChoice, SplitMode, WorkerSpawn
from rbee.errors import InvalidRequest
from rbee.hive.devices.pinning import pinned

DEVICE_KINDS: Final[tuple[DeviceType, ...]] = ("cpu", "cuda", "rocm", "metal", "vulkan")
_VULKAN_TOO: Final[frozenset[DeviceType]] = frozenset({"cuda", "rocm", "vulkan"})
"""Kinds whose devices have a Vulkan driver as well."""
_ANY_GPU: Final = "gpu"
_EVERY_GPU: Final = "all"


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """What a request leaves to the fit: layers and split on GPUs, and on which.

    ``named``: the request says which, so all ``gpus`` are to be used. ``cpu`` is where
    the model goes when it named none and none has room; null: this engine cannot.
    """

    gpus: tuple[Device, ...]
    named: bool
    cpu: Device | None = None


class Placing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker's model lies. Positions count the ``device_ids``, from 0.

    ``gpu_layers`` null lets the engine fit them, -1 is all. ``tensor_split`` null
    lets the engine divide by what is free. ``env`` binds the process. ``open`` is
    null when layers or split were asked for, or none is on a GPU.
    """

    device_ids: tuple[str, ...]
    gpu_layers: int | None = None
    split_mode: SplitMode | None = None
    tensor_split: tuple[float, ...] | None = None
    main_gpu: int | None = None
    env: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    open: Open | None = None


def place(
    devices: Sequence[Device],
    kinds: Collection[DeviceType],
    asked: WorkerSpawn,
    problems: Sequence[DeviceProblem] = (),
) -> Placing:
    """Resolve ``device``, ``gpu_layers`` and the split of a spawn.

    ``kinds`` are those that the engine runs on; ``asked.worker`` narrows them
    when it names one.

    Raises:
        InvalidRequest: no such device, or settings that contradict each other or
            the devices; says what there is.
    """
    word = kind_named(asked.worker)
    if word is not None:
        require_kind(devices, word, problems)
        kinds = {kind for kind in kinds if kind == word}
    chosen = _chosen(devices, kinds, asked.device, problems)
    ids = tuple(device.id for device in chosen)
    if chosen[0].device_type == "cpu":
        _refuse_gpu_settings(asked, ids)
        return Placing(device_ids=ids, gpu_layers=0, env=pinned(chosen))
    _check_split(asked, ids)
    several = len(chosen) > 1
    return Placing(
        device_ids=ids,
        gpu_layers=asked.gpu_layers,
        split_mode=asked.split_mode or ("layer" if several else "none"),
        tensor_split=_shares(asked, chosen) if several else None,
        main_gpu=asked.main_gpu or 0,
        env=pinned(chosen),
        open=_open(devices, kinds, asked, chosen),
    )


def gpu_kinds(
    devices: Sequence[Device], wanted: DeviceChoice | None = None
) -> frozenset[DeviceType]:
    """The kinds of GPU that can be used here; none when ``wanted`` names only CPUs.

    An engine that is chosen by itself is one for these, if there is any.
    """
    cpus = {"cpu"} | {device.id.casefold() for device in devices if device.device_type == "cpu"}
    words = _words(wanted)
    if words and cpus.issuperset(words):
        return frozenset()
    kinds: set[DeviceType] = {
        d.device_type for d in devices if d.device_type != "cpu" and d.reason is None
    }
    if kinds & _VULKAN_TOO:
        kinds.add("vulkan")
    return frozenset(kinds)


def kind_named(worker: str) -> DeviceType | None:
    """The kind of device that a spawn's ``worker`` names, if it names one."""
    word = worker.strip().lower()
    return next((kind for kind in DEVICE_KINDS if kind == word), None)


def require_kind(
    devices: Sequence[Device], kind: DeviceType, problems: Sequence[DeviceProblem] = ()
) -> None:
    """Refuse a kind of device that this machine does not have.

    Raises:
        InvalidRequest: it has none; says what it has, and what could not be told.
    """
    if any(_is_of(device, {kind}) for device in devices):
        return
    raise InvalidRequest(
        f"This machine has no {kind} device at `$.worker`.",
        remedy=f"It has {_listed(devices)}.{_doubts(problems)}",
        param="$.worker",
    )


def _chosen(
    devices: Sequence[Device],
    kinds: Collection[DeviceType],
    wanted: DeviceChoice | None,
    problems: Sequence[DeviceProblem],
) -> list[Device]:
    fitting = [device for device in devices if _is_of(device, kinds)]
    words = _words(wanted)
    if words is None:
        usable = [device for device in fitting if device.reason is None]
        if not usable:
            raise _no_device("", devices, fitting, problems)
        return [_roomiest(usable)]
    if words == [_EVERY_GPU]:
        every = [device for device in fitting if device.device_type != "cpu"]
        words = [device.id.casefold() for device in every if device.reason is None] or words
    if not words:
        raise InvalidRequest("`device` is an empty list at `$.device`.", param="$.device")
    found = {d.id: d for d in (_one(word, devices, fitting, problems) for word in words)}
    chosen = list(found.values())
    if len({device.device_type for device in chosen}) > 1:
        raise InvalidRequest(
            "One worker runs on one kind of device, not on "
            f"{' and '.join(f'{d.id} ({d.device_type})' for d in chosen)}, at `$.device`.",
            remedy="Spawn one worker for each kind.",
            param="$.device",
        )
    return chosen


def _words(wanted: DeviceChoice | None) -> list[int | str] | None:
    """One word for each device; None when nothing is wished."""
    if wanted is None:
        return None
    if isinstance(wanted, list):
        return list(wanted)
    if isinstance(wanted, int):
        return [wanted]
    return [word.strip().casefold() for word in wanted.split(",") if word.strip()]


def _one(
    word: int | str,
    devices: Sequence[Device],
    fitting: Sequence[Device],
    problems: Sequence[DeviceProblem],
) -> Device:
    index = int(word) if isinstance(word, str) and word.isdecimal() else word
    if isinstance(index, int):
        if not 0 <= index < len(fitting):
            raise _no_device(f" {index}", devices, fitting, problems)
        return _usable(fitting[index])
    for device in devices:
        if device.id.casefold() == index:
            if device in fitting:
                return _usable(device)
            raise InvalidRequest(
                f"That engine does not run on {device.id} ({device.device_type}), at `$.device`.",
                remedy=f"For it there is {_listed(fitting)}; another engine may use {device.id}.",
                param="$.device",
            )
    of_kind = [d for d in fitting if index in {d.device_type, _kind_of_kind(d)}]
    if not of_kind:
        raise _no_device(f" {index!r}", devices, fitting, problems)
    return _usable(_roomiest([d for d in of_kind if d.reason is None] or of_kind))


def _kind_of_kind(device: Device) -> str:
    return "cpu" if device.device_type == "cpu" else _ANY_GPU


def _usable(device: Device) -> Device:
    if device.reason is None:
        return device
    raise InvalidRequest(
        f"{device.id} cannot be used at `$.device`: {device.reason}.",
        remedy="Choose another device, or look for devices anew: GET /v1/capabilities?refresh=1.",
        param="$.device",
    )


def _roomiest(devices: Sequence[Device]) -> Device:
    """The GPU with the most free memory, the first of equals; the CPU only without one."""
    return max(devices, key=lambda d: (d.device_type != "cpu", _room_mb(d) or 0.0))


def _room_mb(device: Device) -> float | None:
    """What models may still take, in MiB, as far as it is known."""
    free_mb, usable_mb = device.memory_free_mb, device.memory_usable_mb
    if free_mb is None and usable_mb is not None:
        return max(0.0, usable_mb - (device.memory_used_mb or 0.0))
    return free_mb if free_mb is not None else device.memory_total_mb


def _is_of(device: Device, kinds: Collection[DeviceType]) -> bool:
    return device.device_type in kinds or ("vulkan" in kinds and device.device_type in _VULKAN_TOO)


# ── layers and split ─────────────────────────────────────────────────────────


def _open(
    devices: Sequence[Device],
    kinds: Collection[DeviceType],
    asked: WorkerSpawn,
    chosen: Sequence[Device],
) -> Open | None:
    said = (asked.gpu_layers, asked.split_mode, asked.tensor_split, asked.main_gpu)
    if any(value is not None for value in said):
        return None
    if asked.device is not None:
        return Open(gpus=tuple(chosen), named=True)
    usable = [device for device in devices if _is_of(device, kinds) and device.reason is None]
    return Open(
        gpus=tuple(each for each in usable if each.device_type == chosen[0].device_type),
        named=False,
        cpu=next((device for device in usable if device.device_type == "cpu"), None),
    )


def _refuse_gpu_settings(asked: WorkerSpawn, ids: Sequence[str]) -> None:
    for field, value in (
        ("gpu_layers", asked.gpu_layers or None),
        ("split_mode", None if asked.split_mode == "none" else asked.split_mode),
        ("tensor_split", asked.tensor_split),
        ("main_gpu", asked.main_gpu or None),
    ):
        if value is not None:
            raise InvalidRequest(
                f"`{field}` is for GPUs, and this worker runs on {', '.join(ids)}, at `$.{field}`.",
                remedy=f"Leave `{field}` out, or choose a GPU with `device`.",
                param=f"$.{field}",
            )


def _check_split(asked: WorkerSpawn, ids: Sequence[str]) -> None:
    split, main = asked.tensor_split, asked.main_gpu
    if len(ids) == 1 and asked.split_mode not in {None, "none"}:
        raise InvalidRequest(
            f"`split_mode` is {asked.split_mode!r}, but there is only {ids[0]}, at `$.split_mode`.",
            remedy="Name several devices in `device`, for example [0, 1].",
            param="$.split_mode",
        )
    if main is not None and main >= len(ids):
        raise InvalidRequest(
            f"`main_gpu` is {main}, but the devices count from 0 to {len(ids) - 1}, "
            "at `$.main_gpu`.",
            remedy=f"They are, in this order: {', '.join(ids)}.",
            param="$.main_gpu",
        )
    if split is not None and (len(split) != len(ids) or sum(split) <= 0):
        raise InvalidRequest(
            f"`tensor_split` needs {len(ids)} numbers, not all 0, at `$.tensor_split`.",
            remedy=f"One for each device, in this order: {', '.join(ids)}.",
            param="$.tensor_split",
        )


def _shares(asked: WorkerSpawn, chosen: Sequence[Device]) -> tuple[float, ...] | None:
    """The proportion over several devices: as asked, else by what is free on each."""
    if asked.tensor_split is not None:
        return tuple(asked.tensor_split)
    if asked.split_mode == "none":
        return None
    rooms = [_room_mb(device) for device in chosen]
    known = [room for room in rooms if room is not None]
    all_mb = sum(known)
    if len(known) < len(chosen) or all_mb <= 0:
        return None
    return tuple(round(room / all_mb, 3) for room in known)


# ── words ────────────────────────────────────────────────────────────────────


def _no_device(
    what: str,
    devices: Sequence[Device],
    fitting: Sequence[Device],
    problems: Sequence[DeviceProblem],
) -> InvalidRequest:
    there = ", ".join(f"{index}: {_named(device)}" for index, device in enumerate(fitting))
    has = f"There is {there}" if there else f"It has {_listed(devices)}"
    return InvalidRequest(
        f"This machine has no device{what} that its engine can use.",
        remedy=f"{has}.{_doubts(problems)}",
        param="$.device",
    )


def _listed(devices: Sequence[Device]) -> str:
    return ", ".join(_named(device) for device in devices) or "none"


def _named(device: Device) -> str:
    return f"{device.id} ({device.name}, {device.device_type})"


def _doubts(problems: Sequence[DeviceProblem]) -> str:
    return "".join(f" Of {p.vendor} devices nothing is known: {p.reason}." for p in problems)
