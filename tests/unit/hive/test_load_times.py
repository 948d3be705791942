"""What loads took is remembered: by device, over restarts, and never without bound."""

from pathlib import Path

import pytest

from rbee.hive.models import load_times
from rbee.hive.models.load_times import LOADS_KEPT, LoadTimes


def test_the_median_of_the_last_loads_on_the_last_device(tmp_path: Path) -> None:
    loads = LoadTimes(tmp_path / "loads.json")
    assert loads.usual_s("m") is None
    for at, load_s in enumerate((30.0, 2.0, 3.0)):
        loads.record("m", "CPU-0", load_s, now=at)
    assert loads.usual_s("m") == 3.0
    loads.record("m", "GPU-0", 0.5, now=10.0)
    assert loads.usual_s("m") == 0.5
    assert loads.usual_s("other") is None


def test_old_loads_are_forgotten_one_by_one(tmp_path: Path) -> None:
    loads = LoadTimes(tmp_path / "loads.json")
    loads.record("m", "CPU-0", 100.0, now=0.0)
    for at in range(LOADS_KEPT):
        loads.record("m", "CPU-0", 1.0, now=1.0 + at)
    assert loads.usual_s("m") == 1.0


def test_a_restart_remembers_and_a_torn_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "loads.json"
    LoadTimes(path).record("m", "CPU-0", 2.5, now=1.0)
    assert LoadTimes(path).usual_s("m") == 2.5
    path.write_bytes(path.read_bytes()[:20])
    assert LoadTimes(path).usual_s("m") is None


def test_the_file_is_bounded_and_nonsense_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_times, "ENTRIES_MAX", 20)
    loads = LoadTimes(tmp_path / "loads.json")
    loads.record("m", "CPU-0", 0.0, now=1.0)
    loads.record("m" * (load_times.NAME_LENGTH_MAX + 1), "CPU-0", 1.0, now=1.0)
    for at in range(21):
        loads.record(f"m{at}", "CPU-0", 1.0, now=float(at))
    assert loads.usual_s("m") is None
    assert loads.usual_s("m0") is None
    assert loads.usual_s("m20") == 1.0
