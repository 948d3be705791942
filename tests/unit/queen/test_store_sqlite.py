"""The SQLite file: private, checked, honest about what is wrong with it."""

import sqlite3
import stat
from pathlib import Path

import pytest

from rbee.errors import CorruptStore, DiskFull, StorageError
from rbee.foundation.journal import Accepted, Changed, Forgotten, Happened, JobRow, KeptEvent
from rbee.queen.store.sql import SqlStore
from rbee.queen.store.sqlite import FILE_NAME, Sqlite

CANARY = b"the canary prompt that nobody may find"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queen" / FILE_NAME


@pytest.fixture
def store(path: Path) -> SqlStore:
    found = SqlStore(Sqlite(path))
    found.open()
    return found


def row(job_id: str = "job-1", request: bytes | None = CANARY) -> JobRow:
    return JobRow(
        job_id=job_id, operation="infer", status="running", created_at=1.0, request=request
    )


def files(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{FILE_NAME}*"))


def test_only_its_user_can_read_it(store: SqlStore, path: Path) -> None:
    store.write([Accepted(row())])
    assert len(files(path)) == 3, "the database, its log and its index"
    for file in files(path):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    store.close()


def test_a_commit_is_on_the_disk_before_it_returns(store: SqlStore) -> None:
    assert store._connection is not None
    cursor = store._connection.cursor()
    for setting, wanted in (("journal_mode", "wal"), ("synchronous", 2), ("secure_delete", 1)):
        cursor.execute(f"PRAGMA {setting}")
        assert cursor.fetchall() == [(wanted,)]
    store.close()


def test_a_prompt_is_gone_from_the_disk_with_its_jobs_end(store: SqlStore, path: Path) -> None:
    store.write([Accepted(row()), Happened("job-1", KeptEvent(1, b"an answer"))])
    assert any(CANARY in file.read_bytes() for file in files(path))
    done = JobRow(
        job_id="job-1", operation="infer", status="completed", created_at=1.0, ended_at=2.0
    )
    store.write([Changed(done)])
    store.tidy()
    assert not any(CANARY in file.read_bytes() for file in files(path))
    store.write([Forgotten("job-1")])
    store.tidy()
    assert not any(b"an answer" in file.read_bytes() for file in files(path))
    store.close()


def test_the_file_shrinks_when_jobs_expire(store: SqlStore, path: Path) -> None:
    big = KeptEvent(1, b"x" * 2_000_000)
    store.write([Accepted(row()), Happened("job-1", big)])
    store.tidy()
    full = path.stat().st_size
    store.write([Forgotten("job-1")])
    store.tidy()
    assert path.stat().st_size < full / 10
    store.close()


def test_what_is_no_database_is_told_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"my holiday pictures" * 1000)
    with pytest.raises(CorruptStore) as refused:
        SqlStore(Sqlite(path)).open()
    assert str(path) in refused.value.message
    assert "move it away" in refused.value.remedy
    assert path.read_bytes() == b"my holiday pictures" * 1000


def test_a_damaged_page_is_found_when_it_opens(store: SqlStore, path: Path) -> None:
    store.write([Accepted(row(f"job-{n}")) for n in range(200)])
    store.close()
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(CorruptStore):
        SqlStore(Sqlite(path)).open()
    assert path.read_bytes() == bytes(content)


def test_a_truncated_file_is_found_when_it_opens(store: SqlStore, path: Path) -> None:
    store.write([Accepted(row(f"job-{n}")) for n in range(200)])
    store.close()
    path.write_bytes(path.read_bytes()[:-4096])
    with pytest.raises(CorruptStore):
        SqlStore(Sqlite(path)).open()


def test_a_full_disk_loses_the_group_and_nothing_else(store: SqlStore) -> None:
    store.write([Accepted(row("job-1"))])
    assert store._connection is not None
    cursor = store._connection.cursor()
    cursor.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size instead
    big = KeptEvent(1, b"x" * 100_000)
    with pytest.raises(DiskFull) as full:
        store.write([Accepted(row("job-2")), Happened("job-2", big)])
    assert "Free some space" in full.value.remedy
    store.write([Accepted(row("job-3"))])
    assert [found.row.job_id for found in store.open()] == ["job-1", "job-3"]
    store.close()


def test_a_lock_of_another_program_is_named(
    store: SqlStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    monkeypatch.setattr("rbee.queen.store.sqlite.BUSY_S", 0.01)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another program"):
        store.write([Accepted(row())])
    other.execute("ROLLBACK")
    other.close()
    store.write([Accepted(row())])
    store.close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be opened") as refused:
        SqlStore(Sqlite(tmp_path / "file" / "queen" / FILE_NAME)).open()
    assert "write" in refused.value.remedy
