"""Every probe over every recording: what the device tests share."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rbee.hive.devices.amd import AmdProbe
from rbee.hive.devices.apple import AppleProbe
from rbee.hive.devices.command import CommandMissing, Runner
from rbee.hive.devices.cpu import CpuProbe
from rbee.hive.devices.nvidia import NvidiaProbe
from rbee.hive.devices.nvidia_smi import APPS_ARGV, FACTS_ARGV
from rbee.hive.devices.probe import DeviceProbe
from rbee.testing.devices import (
    RecordedAmdSmi,
    RecordedNvml,
    grow_sysfs,
    recorded_commands,
    recording,
)

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "devices"
NOWHERE = Path("/nowhere")


def no_commands(argv: Sequence[str]) -> str:
    raise CommandMissing(f"{argv[0]} is not installed")


def smi_commands(name: str) -> Runner:
    facts = (RECORDINGS / "nvidia" / f"{name}.csv").read_text(encoding="utf-8")
    apps = RECORDINGS / "nvidia" / f"{name}-apps.csv"
    answers = {" ".join(FACTS_ARGV): facts}
    if apps.exists():
        answers[" ".join(APPS_ARGV)] = apps.read_text(encoding="utf-8")
    else:
        answers[" ".join(APPS_ARGV)] = ""
    return recorded_commands(answers)


def nvml(name: str) -> DeviceProbe:
    recorded = RecordedNvml(recording(RECORDINGS / "nvidia" / f"{name}.json"))
    return NvidiaProbe(lambda: recorded, no_commands)


def smi(name: str) -> DeviceProbe:
    return NvidiaProbe(lambda: None, smi_commands(name))


def amdsmi(name: str) -> DeviceProbe:
    recorded = RecordedAmdSmi(recording(RECORDINGS / "amd" / f"{name}.json"))
    return AmdProbe(lambda: recorded, NOWHERE)


def sysfs(name: str, root: Path) -> DeviceProbe:
    return AmdProbe(lambda: None, grow_sysfs(root, recording(RECORDINGS / "amd" / f"{name}.json")))


def apple(name: str) -> DeviceProbe:
    commands = recorded_commands(recording(RECORDINGS / "apple" / f"{name}.json"))
    return AppleProbe(commands, here=True)


def linux_cpu(name: str) -> DeviceProbe:
    path = RECORDINGS / "cpu" / f"{name}.cpuinfo"
    return CpuProbe(no_commands, cpuinfo=path, system="linux")


def mac_cpu(name: str) -> DeviceProbe:
    commands = recorded_commands(recording(RECORDINGS / "cpu" / f"{name}.sysctl.json"))
    return CpuProbe(commands, system="darwin")


def windows_cpu(*features: int) -> DeviceProbe:
    return CpuProbe(no_commands, system="win32", present=lambda number: number in features)


Case = Callable[[Path], DeviceProbe]

CASES: dict[str, Case] = {
    **{f"nvidia/{n}": lambda _p, n=n: nvml(n) for n in (
        "nvml-h200", "nvml-laptop", "nvml-mig", "nvml-lost", "nvml-odd", "nvml-no-library",
        "nvml-mismatch",
    )},
    **{f"nvidia/{n}": lambda _p, n=n: smi(n) for n in (
        "smi-two", "smi-old-card", "smi-cut", "smi-decimal-comma", "smi-errors", "smi-none",
    )},
    "nvidia/nothing-installed": lambda _p: NvidiaProbe(lambda: None, no_commands),
    **{f"amd/{n}": lambda p, n=n: sysfs(n, p) for n in (
        "sysfs-rx7900xtx", "sysfs-apu", "sysfs-mi210-two", "sysfs-odd",
    )},
    **{f"amd/{n}": lambda _p, n=n: amdsmi(n) for n in ("amdsmi-mi300x", "amdsmi-odd")},
    "amd/nothing-installed": lambda _p: AmdProbe(lambda: None, NOWHERE),
    **{f"apple/{n}": lambda _p, n=n: apple(n) for n in (
        "m1-16gb", "m3-max-64gb", "m2-ultra-192gb-limit-set", "intel-mac", "odd", "odd-figures",
    )},
    "apple/not-a-mac": lambda _p: AppleProbe(no_commands, here=False),
    **{f"cpu/{n}": lambda _p, n=n: linux_cpu(n) for n in (
        "sapphire-rapids-vm", "zen2", "graviton3", "riscv", "no-such-file",
    )},
    "cpu/m2": lambda _p: mac_cpu("m2"),
    "cpu/windows": lambda _p: windows_cpu(38, 39, 40),
    "cpu/elsewhere": lambda _p: CpuProbe(no_commands, system="freebsd14"),
}  # fmt: skip
