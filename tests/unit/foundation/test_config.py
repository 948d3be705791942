"""Settings: flag over environment over file over default, and errors that name the source."""

import sys
from pathlib import Path

import msgspec
import pytest

from rbee.errors import BadSettings
from rbee.foundation import config, paths


class Settings(msgspec.Struct):
    """A made-up room's settings."""

    port: int = 1
    host: str = "localhost"
    verbose: bool = False
    names: list[str] = msgspec.field(default_factory=list[str])
    wait_s: float | None = None


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RBEE_CONFIG_DIR", str(tmp_path))
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "config.toml").write_text(text, encoding="utf-8")


def test_defaults() -> None:
    assert config.load("hive", Settings) == Settings()


def test_each_source_beats_the_one_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "[hive]\nport = 2\n[queen]\nport = 9\n")
    assert config.load("hive", Settings).port == 2
    monkeypatch.setenv("RBEE_HIVE_PORT", "3")
    assert config.load("hive", Settings).port == 3
    assert config.load("hive", Settings, {"port": 4}).port == 4
    assert config.load("hive", Settings, {"port": None}).port == 3


def test_types_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBEE_HIVE_VERBOSE", "true")
    monkeypatch.setenv("RBEE_HIVE_NAMES", "a, b,,c")
    monkeypatch.setenv("RBEE_HIVE_WAIT_S", "1.5")
    found = config.load("hive", Settings)
    assert (found.verbose, found.names, found.wait_s) == (True, ["a", "b", "c"], 1.5)


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBEE_HIVE_PORT", "many")
    with pytest.raises(BadSettings, match="RBEE_HIVE_PORT cannot be so: 'many' is not a whole"):
        config.load("hive", Settings)


def test_a_bad_flag_is_named() -> None:
    with pytest.raises(BadSettings, match="--wait-s cannot be so: 'long' is not a number"):
        config.load("hive", Settings, {"wait_s": "long"})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[hive]\nport = 'x'\n", r"`port` in \[hive\] of .*: 'x' is not a whole number"),
        ("[hive]\npart = 1\n", "part"),
        ("hive = 1\n", "not a table"),
        ("[room\n", "not valid TOML"),
        ("\udc80", "not valid TOML"),
    ],
)
def test_a_bad_file_is_named(folder: Path, text: str, named: str) -> None:
    content = text.encode("utf-8", errors="surrogateescape")
    (folder / "config.toml").write_bytes(content)
    with pytest.raises(BadSettings, match=named) as caught:
        config.load("hive", Settings)
    assert caught.value.remedy


def test_the_key_comes_from_the_environment_else_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RBEE_API_KEY", raising=False)
    assert config.colony_key() is None
    (folder / "api_key").write_text("from-file\n", encoding="utf-8")
    assert config.colony_key() == "from-file"
    monkeypatch.setenv("RBEE_API_KEY", " from-env ")
    assert config.colony_key() == "from-env"


def test_every_directory_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBEE_CACHE_DIR", str(tmp_path / "c"))
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path / "d"))
    assert paths.models_dir() == tmp_path / "c" / "models"
    assert paths.data_dir() == tmp_path / "d"
    monkeypatch.delenv("RBEE_CACHE_DIR")
    assert paths.models_dir() == Path.home() / ".cache" / "rbee" / "models"


def test_a_section_that_nobody_reads_is_refused(folder: Path) -> None:
    write(folder, "[quen]\nport = 2\n")
    with pytest.raises(BadSettings, match="`quen`") as caught:
        config.load("hive", Settings)
    assert "[queen]" in caught.value.remedy


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes; the folder is private")
def test_a_colony_key_is_made_once_for_its_owner_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RBEE_API_KEY", raising=False)
    path = config.make_colony_key()
    assert path.stat().st_mode & 0o777 == 0o600
    made = config.colony_key()
    assert made is not None
    assert len(made) >= 43  # 256 bits in URL-safe base64
    assert path.parent == folder
