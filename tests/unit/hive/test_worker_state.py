"""What a hive writes down of its workers, and what it says when it cannot."""

import errno
import os
from pathlib import Path

import pytest

from rbee.contracts.ids import WorkerId
from rbee.errors import CorruptModel, DiskFull, EngineError, StorageError
from rbee.hive.engines.engine import LaunchSpec
from rbee.hive.workers.deaths import error_of_end
from rbee.hive.workers.state import ENDED_KEPT_MAX, ExitFile, StateStore, WorkerState, told

SPEC = LaunchSpec(
    engine="scripted",
    model="scripted",
    model_path=None,
    task="generate",
    context_tokens=64,
    slots=1,
    device_ids=("CPU-0",),
)


def state(name: str = "worker-1") -> WorkerState:
    return WorkerState(
        worker_id=WorkerId(name), spec=SPEC, status="ready", port=9000, created_at=1.0
    )


def test_what_is_written_is_read_again_and_private(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "workers")
    key = store.create(state())
    assert len(key) >= 43
    assert store.key_of(WorkerId("worker-1")) == key
    assert list(store.states()) == [state()]
    for path in (tmp_path / "workers" / "worker-1").iterdir():
        assert path.stat().st_mode & 0o077 == 0 or os.name == "nt"


def test_a_torn_state_is_none_and_one_under_another_name_too(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    store.create(state())
    (tmp_path / "worker-2").mkdir()
    (tmp_path / "worker-2" / "state.json").write_bytes(
        (tmp_path / "worker-1" / "state.json").read_bytes()
    )
    (tmp_path / "worker-1" / "state.json").write_text('{"worker_id": "wor')
    assert list(store.states()) == []


def test_an_ended_worker_keeps_its_log_and_loses_its_key_and_old_ones_go(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    for number in range(ENDED_KEPT_MAX + 5):
        name = WorkerId(f"worker-{number}")
        store.create(state(name))
        (tmp_path / name / "worker.log").write_text("words")
        store.forget(name)
    assert len(list(tmp_path.iterdir())) == ENDED_KEPT_MAX
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"worker.log"}
    assert store.find(WorkerId("../worker-24")) is None


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskFull), (errno.EACCES, StorageError), (errno.EROFS, StorageError)],
)
def test_what_the_disk_refuses_is_said_with_its_place(number: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="/some/where"), told(Path("/some/where")):
        raise OSError(number, os.strerror(number))


def test_a_directory_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        StateStore(tmp_path / "file").create(state())


@pytest.mark.parametrize(
    ("word", "words", "kind", "said"),
    [
        (ExitFile(code=65), "it is cut short.", CorruptModel, "It said: it is cut short."),
        (ExitFile(code=68), "no", EngineError, "could not load the model; why. It said: no."),
        (ExitFile(signal=9), "chatter", EngineError, "SIGKILL); why."),
        (ExitFile(), None, EngineError, "it ended unseen; why."),
        (ExitFile(code=127, error="no such file"), None, EngineError, "no such file"),
    ],
)
def test_the_reason_of_an_end(
    word: ExitFile, words: str | None, kind: type[Exception], said: str
) -> None:
    error = error_of_end(state(), word, words, "why")
    assert type(error) is kind
    assert error.message.endswith(said) or said in error.message
    assert "chatter" not in error.message
