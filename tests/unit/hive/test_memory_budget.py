"""What workers may take together: the queen is told, and the hive keeps to it."""

from rbee.contracts.hives import Device
from rbee.hive.memory_budget import shown, within

MIB = 1024 * 1024


def test_a_budget_bounds_all_memory_and_what_is_free() -> None:
    memory = (16_000 * MIB, 9_000 * MIB)
    assert within(None, memory, 500.0) == memory
    assert within(4_000, memory, 500.0) == (4_000 * MIB, 3_500 * MIB)
    assert within(4_000, memory, 5_000.0) == (4_000 * MIB, 0)
    assert within(20_000, memory, 500.0) == memory


def test_only_the_cpu_is_shown_with_less() -> None:
    cpu = Device(id="CPU-0", name="c", device_type="cpu", memory_mb=16_000)
    gpu = Device(id="GPU-0", name="g", device_type="cuda", memory_usable_mb=24_000.0)
    assert shown([cpu, gpu], None) == [cpu, gpu]
    assert [device.memory_usable_mb for device in shown([cpu, gpu], 4_000)] == [4_000.0, 24_000.0]
