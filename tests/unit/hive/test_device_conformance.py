"""What every probe keeps, whatever its outside answers: over all recordings, whole and broken.

To add a maker: its probe over its recordings in ``device_recordings.CASES``.
"""

import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.hives import Device, GpuStats
from rbee.hive.devices.amd import AmdProbe
from rbee.hive.devices.apple import AppleProbe
from rbee.hive.devices.cpu import CpuProbe
from rbee.hive.devices.nvidia import NvidiaProbe
from rbee.hive.devices.nvidia_smi import FACTS_ARGV
from rbee.hive.devices.probe import DeviceProbe, ProbeFailed
from rbee.testing.devices import RecordedAmdSmi, RecordedNvml, recorded_commands, recording
from unit.hive.device_recordings import CASES, NOWHERE, RECORDINGS, Case, no_commands

BOUNDS = {
    "util_pct": 100.0,
    "temp_c": 150.0,
    "power_w": 10_000.0,
    "vram_used_mb": 1e9,
    "vram_total_mb": 1e9,
    "memory_total_mb": 1e9,
    "memory_used_mb": 1e9,
    "memory_free_mb": 1e9,
    "memory_usable_mb": 1e9,
    "memory_mb": 1e9,
    "vram_gb": 1e6,
}


def check_figures(row: Device | GpuStats) -> None:
    """Every figure is a real number in its bounds, or unknown."""
    for name, value in msgspec.structs.asdict(row).items():
        if name in BOUNDS and value is not None:
            assert math.isfinite(value)
            assert 0 <= value <= BOUNDS[name], (name, value)


def check_probe(probe: DeviceProbe) -> list[Device]:
    """One whole round: the rules of ``probe``. What it found; nothing when it refused."""
    try:
        devices = probe.detect()
    except ProbeFailed as refused:
        reason = str(refused)
        devices = []
    else:
        reason = "it did not refuse"
    assert reason.strip()
    assert "\n" not in reason
    ids = [device.id for device in devices]
    assert len(set(ids)) == len(ids)
    for device in devices:
        check_figures(device)
        assert device.name.strip()
        assert device.name.isprintable()
        assert device.vendor == probe.vendor
        assert device.memory_free_mb is None or device.memory_total_mb is not None
    for stats in probe.read():
        assert stats.id in ids
        check_figures(stats)
    for process in probe.processes():
        assert process.device_id in ids
        assert process.pid > 0
        assert process.vram_mb is None or process.vram_mb >= 0
    assert probe.read_every_s >= 1
    msgspec.json.encode(devices)  # NaN would be refused by every reader
    return devices


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_recording_is_read_by_the_rules(case: Case, tmp_path: Path) -> None:
    check_probe(case(tmp_path))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_second_look_finds_the_same(case: Case, tmp_path: Path) -> None:
    probe = case(tmp_path)
    first = [(d.id, d.name, d.uuid, d.reason) for d in check_probe(probe)]
    assert [(d.id, d.name, d.uuid, d.reason) for d in check_probe(probe)] == first


def test_reading_before_looking_finds_nothing_and_breaks_nothing() -> None:
    probes = [
        NvidiaProbe(lambda: None, no_commands),
        AmdProbe(lambda: None, NOWHERE),
        AppleProbe(no_commands, here=True),
    ]
    assert [[*probe.read(), *probe.processes()] for probe in probes] == [[], [], []]


def test_every_recording_is_used() -> None:
    """A file that no case reads proves nothing."""
    used = {name.partition("/")[2] for name in CASES}
    files = [path for path in RECORDINGS.glob("*/*") if not path.stem.endswith("-apps")]
    assert {path.name.partition(".")[0] for path in files} <= used


# ── hostile outsides ─────────────────────────────────────────────────────────

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
SMI_TWO = (RECORDINGS / "nvidia" / "smi-two.csv").read_text(encoding="utf-8")
H200 = recording(RECORDINGS / "nvidia" / "nvml-h200.json")
MI300 = recording(RECORDINGS / "amd" / "amdsmi-mi300x.json")
M3 = recording(RECORDINGS / "apple" / "m3-max-64gb.json")


def by_smi(text: str) -> DeviceProbe:
    facts = text.removeprefix("!")
    answers = {"nvidia-smi": "", " ".join(FACTS_ARGV): facts}
    return NvidiaProbe(lambda: None, recorded_commands(answers))


@given(st.integers(0, len(SMI_TWO)))
def test_a_cut_csv_never_shortens_a_number(end: int) -> None:
    whole = {d.id: d for d in check_probe(by_smi(SMI_TWO))}
    for device in check_probe(by_smi(SMI_TWO[:end])):
        assert device == whole[device.id]


@given(st.text(max_size=300))
def test_any_text_from_nvidia_smi(text: str) -> None:
    check_probe(by_smi(text))


@given(st.lists(st.text(max_size=12), min_size=12, max_size=12))
def test_any_row_from_nvidia_smi(cells: list[str]) -> None:
    check_probe(by_smi(",".join(cells) + "\n"))


def with_answer(document: dict[str, object], question: str, answer: object) -> dict[str, object]:
    copy = msgspec.json.decode(msgspec.json.encode(document))
    copy["gpus"][0]["answers"][question] = answer
    return copy


@given(st.sampled_from(sorted(H200["gpus"][0]["answers"])), JSON)
def test_any_answer_from_nvml(question: str, answer: object) -> None:
    module = RecordedNvml(with_answer(H200, question, answer))
    check_probe(NvidiaProbe(lambda: module, no_commands))


@given(st.sampled_from(sorted(MI300["gpus"][0]["answers"])), JSON)
def test_any_answer_from_amdsmi(question: str, answer: object) -> None:
    module = RecordedAmdSmi(with_answer(MI300, question, answer))
    check_probe(AmdProbe(lambda: module, NOWHERE))


@given(st.sampled_from(sorted(M3)), st.text(max_size=200) | JSON.map(str))
def test_any_text_from_the_tools_of_macos(command: str, text: str) -> None:
    answers = {**M3, command: text.removeprefix("!")}
    check_probe(AppleProbe(recorded_commands(answers), here=True))


@given(st.binary(max_size=300))
def test_any_cpuinfo(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.cpuinfo"
    path.write_bytes(text)
    assert len(check_probe(CpuProbe(no_commands, cpuinfo=path, system="linux"))) == 1


@pytest.mark.parametrize("broken", [object, lambda: None])
def test_a_module_of_another_version_is_a_reason_or_nothing(
    broken: Callable[[], object | None],
) -> None:
    for probe in (NvidiaProbe(broken, no_commands), AmdProbe(broken, NOWHERE)):
        assert check_probe(probe) == []
