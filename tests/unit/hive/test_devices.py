"""This machine as its devices and telemetry show it."""

from pathlib import Path

from rbee.hive.devices.cpu import CpuProbe, cpu_cores
from rbee.hive.devices.node import Node


def test_this_machine_has_a_cpu_with_memory() -> None:
    (cpu,) = CpuProbe().detect()
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
