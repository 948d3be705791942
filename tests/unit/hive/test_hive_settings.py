"""A hive's settings: its stable id, its limits, its address, one per directory."""

from pathlib import Path

import pytest

from rbee.errors import AlreadyRunning, BadSettings, StorageError
from rbee.foundation import config
from rbee.foundation.hive_id import stable_hive_id
from rbee.hive.address import advertised
from rbee.hive.only_one import only_one
from rbee.hive.settings import HiveSettings


def test_the_id_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "gaming_pc.local")
    first = stable_hive_id(None, tmp_path / "hive")
    assert first == "gaming-pc"
    monkeypatch.setattr("socket.gethostname", lambda: "renamed")
    assert stable_hive_id(None, tmp_path / "hive") == first


@pytest.mark.parametrize("name", ["localhost", "Self", "", "a b", "../x", "x" * 65])
def test_ids_that_mean_something_else_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="hive_id"):
        stable_hive_id(name, tmp_path)


def test_a_host_that_is_called_localhost_gets_a_made_up_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    assert stable_hive_id(None, tmp_path).startswith("hive-")


def test_a_data_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        stable_hive_id(None, tmp_path / "file")
    with pytest.raises(StorageError, match="cannot be written"), only_one(tmp_path / "file"):
        pass


@pytest.mark.parametrize(
    ("name", "value"),
    [("SLOTS", "0"), ("PORT", "70000"), ("LOAD_S", "0"), ("CONTEXT_LENGTH", "1"), ("PORT", "x")],
)
def test_numbers_that_cannot_work_are_refused_at_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"RBEE_HIVE_{name}", value)
    with pytest.raises(BadSettings, match=f"(?i){name}"):
        config.load("hive", HiveSettings)


def test_the_address_that_the_queen_is_told() -> None:
    assert advertised(HiveSettings()) == "127.0.0.1"
    assert advertised(HiveSettings(bind="192.0.2.7")) == "192.0.2.7"
    assert advertised(HiveSettings(bind="0.0.0.0", advertise="pc.lan")) == "pc.lan"  # noqa: S104  not bound


def test_one_hive_per_directory_and_its_end_frees_it(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(AlreadyRunning, match="process"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass
