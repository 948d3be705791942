"""What the probes make of the recordings: the figures themselves."""

from pathlib import Path

import pytest

from rbee.contracts.hives import Device, GpuStats
from rbee.hive.devices.apple import usable_share_mb
from rbee.hive.devices.nvidia import NvidiaProbe
from rbee.hive.devices.probe import DeviceProbe, GpuProcess, ProbeFailed
from rbee.testing.devices import RecordedNvml, recorded_commands, recording
from unit.hive.device_recordings import (
    CASES,
    RECORDINGS,
    amdsmi,
    apple,
    linux_cpu,
    mac_cpu,
    nvml,
    smi,
    smi_commands,
    sysfs,
    windows_cpu,
)


def only(probe: DeviceProbe) -> Device:
    (device,) = probe.detect()
    return device


def test_nvml_tells_everything_of_a_datacentre_card() -> None:
    probe = nvml("nvml-h200")
    assert only(probe) == Device(
        id="nvidia-0",
        name="NVIDIA H200",
        device_type="cuda",
        vendor="nvidia",
        vram_gb=140.4,
        memory_mb=143771,
        compute_capability="9.0",
        driver="550.90.07",
        uuid="GPU-6f1c2d3e-0b5a-4c7d-9e8f-112233445566",
        index=0,
        memory_total_mb=143771.0,
        memory_used_mb=75776.0,
        memory_free_mb=67995.0,
        util_pct=63.0,
        temp_c=47.0,
        power_w=412.3,
    )
    assert probe.read() == [
        GpuStats(
            id="nvidia-0",
            util_pct=63.0,
            vram_used_mb=75776.0,
            vram_total_mb=143771.0,
            temp_c=47.0,
            power_w=412.3,
        )
    ]
    # Of two samples of a process the newest counts.
    assert probe.processes() == [
        GpuProcess(device_id="nvidia-0", pid=4242, vram_mb=74752.0, util_pct=61.0),
        GpuProcess(device_id="nvidia-0", pid=5151, vram_mb=1024.0, util_pct=2.0),
    ]


def test_what_a_laptop_card_does_not_tell_is_unknown() -> None:
    probe = nvml("nvml-laptop")
    device = only(probe)
    assert (device.power_w, device.util_pct, device.temp_c) == (None, 0.0, 44.0)
    assert probe.processes() == [GpuProcess(device_id="nvidia-0", pid=901)]


def test_a_gpu_in_mig_mode_is_its_parts() -> None:
    probe = nvml("nvml-mig")
    first, second = probe.detect()
    assert (first.id, second.id) == ("nvidia-0.0", "nvidia-0.1")
    assert first.uuid == "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f"
    assert (first.memory_total_mb, second.memory_total_mb) == (19968.0, 4864.0)
    assert (first.compute_capability, first.util_pct, first.temp_c) == ("8.0", None, None)
    assert probe.processes() == [GpuProcess(device_id="nvidia-0.0", pid=4243, vram_mb=8.0)]


def test_a_lost_gpu_is_shown_with_its_reason_beside_the_others() -> None:
    whole, lost = nvml("nvml-lost").detect()
    assert whole.reason is None
    assert lost.reason == "it does not answer: GPU is lost"
    assert lost.memory_total_mb is None


def test_odd_answers_are_unknown_one_by_one() -> None:
    device = only(nvml("nvml-odd"))
    assert device.name == "NVIDIA GPU"
    figures = (device.util_pct, device.temp_c, device.power_w, device.memory_total_mb)
    assert figures == (None, None, None, None)
    assert (device.compute_capability, device.uuid, device.driver) == (None, None, None)


def test_no_driver_is_no_device_and_no_problem() -> None:
    assert nvml("nvml-no-library").detect() == []


def test_a_driver_that_fails_is_a_reason() -> None:
    with pytest.raises(ProbeFailed, match=r"driver present but NVML failed: .*version mismatch"):
        nvml("nvml-mismatch").detect()


def test_the_tool_stands_in_for_a_failing_library() -> None:
    broken = RecordedNvml(recording(RECORDINGS / "nvidia" / "nvml-mismatch.json"))
    probe = NvidiaProbe(lambda: broken, smi_commands("smi-two"))
    busy, idle = probe.detect()
    assert (busy.memory_free_mb, busy.power_w, busy.compute_capability) == (35792.0, 268.5, "8.6")
    assert (idle.util_pct, idle.temp_c, idle.index) == (0.0, 38.0, 1)
    assert probe.read_every_s == 5
    assert [stats.util_pct for stats in probe.read()] == [87.0, 0.0]
    assert probe.processes() == [
        GpuProcess(device_id="nvidia-0", pid=4242, vram_mb=12880.0),
        GpuProcess(device_id="nvidia-0", pid=77),
    ]


def test_when_both_ways_fail_both_reasons_are_told() -> None:
    broken = RecordedNvml(recording(RECORDINGS / "nvidia" / "nvml-mismatch.json"))
    commands = recorded_commands({"nvidia-smi": "!nvidia-smi ended with 18: Failed"})
    with pytest.raises(ProbeFailed, match=r"version mismatch.*; nvidia-smi ended with 18"):
        NvidiaProbe(lambda: broken, commands).detect()


def test_words_in_place_of_figures_are_unknown() -> None:
    device = only(smi("smi-errors"))
    assert (device.memory_total_mb, device.util_pct, device.temp_c) == (None, None, None)
    old = only(smi("smi-old-card"))
    assert (old.memory_total_mb, old.util_pct, old.power_w, old.temp_c) == (1999, None, None, 48)


def test_a_cut_line_is_no_device_and_decimal_commas_are_refused() -> None:
    assert [device.id for device in smi("smi-cut").detect()] == ["nvidia-0"]
    with pytest.raises(ProbeFailed, match="nothing that can be read"):
        smi("smi-decimal-comma").detect()
    assert smi("smi-none").detect() == []


def test_sysfs_tells_a_desktop_card(tmp_path: Path) -> None:
    probe = sysfs("sysfs-rx7900xtx", tmp_path)
    device = only(probe)
    assert (device.name, device.device_type) == ("AMD GPU 744c", "rocm")
    assert (device.compute_capability, device.index) == ("gfx1100", 0)
    assert device.uuid == "GPU-d7f2a9c1b3e45608"
    assert (device.vram_gb, device.memory_used_mb) == (23.98, 1327.3)
    assert (device.util_pct, device.temp_c, device.power_w) == (3.0, 51.0, 38.0)
    assert device.unified_memory is False
    assert probe.processes() == [GpuProcess(device_id="amd-0", pid=4242, vram_mb=1024.0)]


def test_an_apu_says_that_it_shares_and_what_it_does_not_tell(tmp_path: Path) -> None:
    device = only(sysfs("sysfs-apu", tmp_path))
    assert (device.unified_memory, device.util_pct, device.power_w) == (True, None, 9.0)
    assert device.compute_capability == "gfx1150"


def test_hips_numbers_follow_rocms_order(tmp_path: Path) -> None:
    first, second = sysfs("sysfs-mi210-two", tmp_path).detect()
    assert (first.name, first.index, first.util_pct) == ("AMD Instinct MI210", 0, 98.0)
    assert (second.index, second.compute_capability) == (1, "gfx90a")


def test_a_card_that_rocm_does_not_know_is_for_vulkan(tmp_path: Path) -> None:
    device = only(sysfs("sysfs-odd", tmp_path))
    assert (device.device_type, device.memory_total_mb, device.util_pct) == ("vulkan", None, None)


def test_amdsmi_tells_a_datacentre_card() -> None:
    probe = amdsmi("amdsmi-mi300x")
    device = only(probe)
    assert (device.name, device.compute_capability) == ("AMD Instinct MI300X", "gfx942")
    assert (device.memory_total_mb, device.memory_free_mb) == (196592.0, 92715.0)
    assert (device.util_pct, device.temp_c, device.power_w) == (92.0, 66.0, 612.0)
    assert (device.driver, device.index) == ("amdgpu 6.10.5", 0)
    assert probe.processes() == [GpuProcess(device_id="amd-0", pid=4242, vram_mb=102996.8)]


def test_apple_shares_memory_and_says_which_part_may_be_used() -> None:
    device = only(apple("m3-max-64gb"))
    assert (device.name, device.device_type) == ("Apple M3 Max", "metal")
    assert (device.memory_total_mb, device.memory_usable_mb) == (65536.0, 49152.0)
    assert (device.util_pct, device.memory_used_mb) == (23.0, 5120.0)
    assert (device.temp_c, device.power_w, device.memory_free_mb) == (None, None, None)
    assert (device.compute_capability, device.unified_memory) == ("metal3", True)
    small = only(apple("m1-16gb"))
    assert (small.memory_usable_mb, small.util_pct) == (10922.7, None)
    assert only(apple("m2-ultra-192gb-limit-set")).memory_usable_mb == 172032.0


def test_only_apples_own_gpus_are_metal_devices() -> None:
    assert apple("intel-mac").detect() == []
    with pytest.raises(ProbeFailed, match="not its JSON"):
        apple("odd").detect()
    odd = only(apple("odd-figures"))
    assert (odd.memory_total_mb, odd.util_pct, odd.memory_usable_mb) == (None, None, None)


def test_the_owners_limit_is_no_more_than_there_is() -> None:
    assert usable_share_mb(1024.0, "99999") == 1024.0
    assert usable_share_mb(None, "99999") is None


@pytest.mark.parametrize(
    ("probe", "name", "sets"),
    [
        (linux_cpu("zen2"), "AMD Ryzen 7 3700X 8-Core Processor", "SSE4.2 AVX AVX2 FMA F16C"),
        (linux_cpu("graviton3"), None, "NEON DOTPROD SVE I8MM BF16"),
        (mac_cpu("m2"), "Apple M2", "NEON DOTPROD I8MM BF16"),
        (windows_cpu(38, 39, 40), None, "SSE4.2 AVX AVX2"),
    ],
)
def test_instruction_sets(probe: DeviceProbe, name: str | None, sets: str) -> None:
    cpu = only(probe)
    assert cpu.name == (name or cpu.name)
    assert set(cpu.instruction_sets or ()) == set(sets.split())


def test_a_real_xeon_has_what_it_has() -> None:
    found = only(linux_cpu("sapphire-rapids-vm")).instruction_sets or []
    assert {"AVX2", "AVX-512F", "AVX-512VNNI", "AVX-512BF16", "AMX-INT8", "AVX-VNNI"} <= set(found)


@pytest.mark.parametrize("case", ["cpu/riscv", "cpu/no-such-file", "cpu/elsewhere"])
def test_instruction_sets_that_nobody_tells_are_unknown(case: str, tmp_path: Path) -> None:
    assert only(CASES[case](tmp_path)).instruction_sets is None
