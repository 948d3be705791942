"""Devices: what is there, which one a request means, how the machine is."""

from pathlib import Path

import pytest

from rbee.contracts.hives import Device
from rbee.contracts.jobs import DeviceChoice
from rbee.errors import InvalidRequest
from rbee.hive.devices.choice import choose_devices, find_devices
from rbee.hive.devices.cpu import cpu_cores
from rbee.hive.devices.node import Node

CPU = Device(id="CPU-0", name="a cpu", device_type="cpu", memory_mb=1)
GPUS = [Device(id=f"GPU-{n}", name="a gpu", device_type="cuda", memory_mb=1) for n in range(2)]
ALL = [CPU, *GPUS]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (None, ("CPU-0",)),
        (0, ("CPU-0",)),
        ("cpu", ("CPU-0",)),
        ("cpu-0", ("CPU-0",)),
        ("0", ("CPU-0",)),
    ],
)
def test_device_zero_of_a_cpu_engine_is_the_cpu(
    wanted: DeviceChoice | None, chosen: tuple[str, ...]
) -> None:
    assert choose_devices(ALL, {"cpu"}, wanted) == chosen


def test_indices_count_the_devices_that_the_engine_can_use() -> None:
    assert choose_devices(ALL, {"cuda"}, [0, 1]) == ("GPU-0", "GPU-1")
    assert choose_devices(ALL, {"cuda"}, [1, 1]) == ("GPU-1",)
    assert choose_devices(ALL, {"cuda"}, "GPU-1") == ("GPU-1",)


@pytest.mark.parametrize("wanted", [1, -1, "GPU-0", "tpu", []])
def test_a_device_that_is_not_there_is_named_with_those_that_are(wanted: DeviceChoice) -> None:
    with pytest.raises(InvalidRequest) as caught:
        choose_devices(ALL, {"cpu"}, wanted)
    assert caught.value.param == "$.device"
    assert wanted == [] or "CPU-0" in caught.value.remedy


def test_this_machine_has_a_cpu_with_memory() -> None:
    (cpu,) = find_devices()
    assert cpu.device_type == "cpu"
    assert cpu.name
    assert (cpu.memory_mb or 0) > 100
    assert cpu_cores() >= 1


def test_telemetry_has_no_load_at_first_and_a_share_after_that(tmp_path: Path) -> None:
    node = Node(tmp_path / "not" / "there")
    first = node.look()
    assert first.cpu_pct is None
    assert (first.disk_free_mb or 0) > 0
    sum(range(2_000_000))
    second = node.look()
    assert second.cpu_pct is None or 0 <= second.cpu_pct <= 100
    assert 0 < (second.ram_used_mb or 0) < (second.ram_total_mb or 0)
