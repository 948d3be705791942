"""Which devices a spawn means, how its model lies on them, and how it is bound to them."""

import msgspec
import pytest

from rbee.contracts.hives import Device, DeviceProblem
from rbee.contracts.jobs import DeviceChoice, WorkerSpawn
from rbee.errors import InvalidRequest
from rbee.hive.devices.choice import Placing, place
from rbee.hive.devices.pinning import pinned

ANY = {"cpu", "cuda", "rocm", "metal", "vulkan"}


def gpu(number: int, free_mb: float | None = 1000.0, kind: str = "cuda") -> Device:
    return msgspec.convert(
        {
            "id": f"GPU-{number}",
            "name": "a gpu",
            "device_type": kind,
            "uuid": f"GPU-uuid-{number}",
            "index": number,
            "memory_total_mb": 2000.0,
            "memory_free_mb": free_mb,
        },
        Device,
    )


CPU = Device(id="CPU-0", name="a cpu", device_type="cpu", memory_mb=1, index=0)
BOX = [gpu(0, 1000.0), gpu(1, 3000.0), CPU]


def placed(
    asked: WorkerSpawn | None = None, devices: list[Device] = BOX, kinds: set[str] = ANY
) -> Placing:
    return place(devices, kinds, asked or WorkerSpawn(model="m"))


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (None, ("GPU-1",)),  # the roomiest
        (0, ("GPU-0",)),
        (2, ("CPU-0",)),
        ("0", ("GPU-0",)),
        ("GPU-1", ("GPU-1",)),
        ("gpu-1", ("GPU-1",)),
        ("cpu", ("CPU-0",)),
        ("gpu", ("GPU-1",)),
        ("cuda", ("GPU-1",)),
        ("all", ("GPU-0", "GPU-1")),
        ([1, 0, 1], ("GPU-1", "GPU-0")),
        ("GPU-1, gpu-0", ("GPU-1", "GPU-0")),
    ],
)
def test_what_device_means(wanted: DeviceChoice | None, chosen: tuple[str, ...]) -> None:
    assert placed(WorkerSpawn(model="m", device=wanted)).device_ids == chosen


def test_an_engine_for_cpus_gets_the_cpu() -> None:
    for wanted in (None, 0, "cpu", "CPU-0"):
        assert placed(WorkerSpawn(model="m", device=wanted), kinds={"cpu"}).device_ids == ("CPU-0",)
    asked = WorkerSpawn(model="m", worker="cpu", device=0)
    assert placed(asked).device_ids == ("CPU-0",)


def test_vulkan_runs_on_any_makers_gpu() -> None:
    asked = WorkerSpawn(model="m", worker="vulkan")
    assert placed(asked).device_ids == ("GPU-1",)
    assert placed(WorkerSpawn(model="m"), kinds={"vulkan"}).device_ids == ("GPU-1",)


@pytest.mark.parametrize("wanted", [3, -1, "GPU-9", "tpu", [0, 7]])
def test_a_device_that_is_not_there_is_answered_with_those_that_are(wanted: DeviceChoice) -> None:
    with pytest.raises(InvalidRequest) as caught:
        placed(WorkerSpawn(model="m", device=wanted))
    assert caught.value.param == "$.device"
    assert "0: GPU-0 (a gpu, cuda), 1: GPU-1 (a gpu, cuda), 2: CPU-0" in caught.value.remedy


def test_a_kind_that_this_machine_lacks_is_said_with_what_could_not_be_told() -> None:
    problems = [DeviceProblem(vendor="nvidia", reason="driver present but NVML failed: x")]
    with pytest.raises(InvalidRequest, match="This machine has no cuda device") as caught:
        place([CPU], {"cpu"}, WorkerSpawn(model="m", worker="cuda"), problems)
    assert caught.value.param == "$.worker"
    assert "It has CPU-0 (a cpu, cpu)." in caught.value.remedy
    assert "nvidia" in caught.value.remedy
    assert "NVML failed: x" in caught.value.remedy


def test_an_engine_that_cannot_use_a_device_says_so() -> None:
    with pytest.raises(InvalidRequest, match=r"does not run on GPU-0 \(cuda\)") as caught:
        placed(WorkerSpawn(model="m", device="GPU-0"), kinds={"cpu"})
    assert "CPU-0" in caught.value.remedy


def test_a_device_that_does_not_answer_is_not_chosen() -> None:
    lost = msgspec.structs.replace(gpu(1), reason="it does not answer: GPU is lost")
    devices = [gpu(0, 1.0), lost, CPU]
    assert placed(devices=devices).device_ids == ("GPU-0",)
    assert placed(WorkerSpawn(model="m", device="all"), devices).device_ids == ("GPU-0",)
    with pytest.raises(InvalidRequest, match="GPU is lost"):
        placed(WorkerSpawn(model="m", device=1), devices)


@pytest.mark.parametrize("wanted", [[], "", " , ", [0, 2], "gpu-0,cpu"])
def test_lists_that_make_no_sense_are_refused(wanted: DeviceChoice) -> None:
    with pytest.raises(InvalidRequest) as caught:
        placed(WorkerSpawn(model="m", device=wanted))
    assert caught.value.param == "$.device"


# ── layers and split ─────────────────────────────────────────────────────────


def test_one_gpu_needs_no_split_and_the_engine_fits_its_layers() -> None:
    placing = placed(WorkerSpawn(model="m", device=0))
    assert (placing.gpu_layers, placing.split_mode, placing.tensor_split) == (None, "none", None)
    assert placed(WorkerSpawn(model="m", device=0, gpu_layers=-1)).gpu_layers == -1


def test_several_gpus_share_by_what_is_free() -> None:
    placing = placed(WorkerSpawn(model="m", device=[0, 1]))
    assert (placing.split_mode, placing.tensor_split, placing.main_gpu) == (
        "layer",
        (0.25, 0.75),
        0,
    )
    unknown = [gpu(0, 10.0), msgspec.structs.replace(gpu(1, None), memory_total_mb=None)]
    assert placed(WorkerSpawn(model="m", device="all"), unknown).tensor_split is None


def test_what_is_asked_goes_before_the_defaults() -> None:
    asked = WorkerSpawn(
        model="m", device=[1, 0], split_mode="row", tensor_split=[1, 2], main_gpu=1, gpu_layers=12
    )
    placing = placed(asked)
    assert placing.device_ids == ("GPU-1", "GPU-0")
    assert (placing.split_mode, placing.tensor_split) == ("row", (1.0, 2.0))
    assert (placing.main_gpu, placing.gpu_layers) == (1, 12)


def test_the_cpu_has_no_layers_on_a_gpu() -> None:
    assert placed(WorkerSpawn(model="m", device="cpu")).gpu_layers == 0
    assert placed(WorkerSpawn(model="m", device="cpu", gpu_layers=0)).gpu_layers == 0


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (WorkerSpawn(model="m", device="cpu", gpu_layers=1), "$.gpu_layers"),
        (WorkerSpawn(model="m", device="cpu", gpu_layers=-1), "$.gpu_layers"),
        (WorkerSpawn(model="m", device="cpu", tensor_split=[1]), "$.tensor_split"),
        (WorkerSpawn(model="m", device="cpu", split_mode="row"), "$.split_mode"),
        (WorkerSpawn(model="m", device=0, split_mode="layer"), "$.split_mode"),
        (WorkerSpawn(model="m", device=[0, 1], main_gpu=2), "$.main_gpu"),
        (WorkerSpawn(model="m", device=[0, 1], tensor_split=[1]), "$.tensor_split"),
        (WorkerSpawn(model="m", device=[0, 1], tensor_split=[0, 0]), "$.tensor_split"),
    ],
)
def test_settings_that_contradict_the_devices_are_refused(asked: WorkerSpawn, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        placed(asked)
    assert caught.value.param == param
    assert caught.value.remedy


# ── binding ──────────────────────────────────────────────────────────────────


def test_a_worker_sees_its_own_devices_only() -> None:
    hidden = {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1"}
    assert pinned([CPU]) == hidden
    assert pinned([gpu(1), gpu(0)]) == {
        "CUDA_VISIBLE_DEVICES": "GPU-uuid-1,GPU-uuid-0",
        "HIP_VISIBLE_DEVICES": "-1",
    }
    assert pinned([gpu(1, kind="rocm")]) == {
        "CUDA_VISIBLE_DEVICES": "-1",
        "HIP_VISIBLE_DEVICES": "1",
    }
    assert placed(WorkerSpawn(model="m", device="cpu")).env == hidden


def test_numbers_stand_in_for_unknown_uuids_in_the_drivers_order() -> None:
    bare = [msgspec.structs.replace(gpu(n), uuid=None) for n in (1, 0)]
    assert pinned(bare) == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "1,0",
        "HIP_VISIBLE_DEVICES": "-1",
    }


def test_a_device_without_any_name_cannot_be_bound() -> None:
    nameless = msgspec.structs.replace(gpu(0), uuid=None, index=None)
    with pytest.raises(InvalidRequest, match="cannot be bound to GPU-0"):
        pinned([nameless])
