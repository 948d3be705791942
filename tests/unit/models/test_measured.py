"""What runs really used: kept over restarts, peaks only, bounded."""

from pathlib import Path

import msgspec
import pytest

from rbee.errors import StorageError
from rbee.hive.models.measured import ENTRIES_MAX, MeasuredRuns, Run, _Entry

RUN = Run(model="starter 93", engine="xllamacpp 1", settings="ctx=8192 slots=4", device="CPU-0")


def test_a_peak_is_remembered_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "measured.json"
    runs = MeasuredRuns(path)
    assert runs.find(RUN) is None
    runs.record(RUN, 300, now=1.0)
    runs.record(RUN, 340, now=2.0)
    runs.record(RUN, 200, now=3.0, fresh=True)
    again = MeasuredRuns(path).find(RUN)
    assert again is not None
    assert (again.peak_bytes, again.samples) == (340, 2)
    assert path.stat().st_mode & 0o077 == 0
    assert runs.find(msgspec.structs.replace(RUN, device="GPU-0")) is None


def test_a_small_change_is_not_worth_a_write(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    runs = MeasuredRuns(path)
    runs.record(RUN, 1_000, now=1.0)
    before = path.stat().st_mtime_ns
    runs.record(RUN, 1_005, now=2.0)
    assert path.stat().st_mtime_ns == before
    found = runs.find(RUN)
    assert found is not None
    assert found.peak_bytes == 1_005


def test_the_list_is_bounded_and_the_oldest_goes(tmp_path: Path) -> None:
    runs = MeasuredRuns(tmp_path / "measured.json")
    many = [msgspec.structs.replace(RUN, model=f"m{n}") for n in range(20)]
    for n in range(ENTRIES_MAX - 1):
        run = msgspec.structs.replace(RUN, model=f"old{n}")
        runs._entries[run] = _Entry(run=run, peak_bytes=1, samples=1, seen_at=float(n))
    for n, run in enumerate(many):
        runs.record(run, 100, now=10_000.0 + n)
    assert len(runs) == ENTRIES_MAX
    assert all(runs.find(run) is not None for run in many)
    assert runs.find(msgspec.structs.replace(RUN, model="old0")) is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 9, "entries": []}', b"[1]"])
def test_a_torn_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "measured.json"
    path.write_bytes(content)
    runs = MeasuredRuns(path)
    assert len(runs) == 0
    runs.record(RUN, 5, now=1.0)
    assert MeasuredRuns(path).find(RUN) is not None


def test_nonsense_is_not_recorded(tmp_path: Path) -> None:
    runs = MeasuredRuns(tmp_path / "measured.json")
    runs.record(RUN, 0, now=1.0)
    runs.record(msgspec.structs.replace(RUN, model="x" * 5_000), 10, now=1.0)
    assert len(runs) == 0


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    runs = MeasuredRuns(tmp_path / "file" / "measured.json")
    with pytest.raises(StorageError, match="cannot be written"):
        runs.record(RUN, 5, now=1.0)
    assert runs.find(RUN) is not None
