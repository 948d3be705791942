"""Secrets: in the keyring where one works, else in files that their owner alone can read."""

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import pytest

from rbee.errors import StorageError
from rbee.foundation import secrets

NAME = "key for https://gaming-pc:7833"
SECRET = "not-for-others"


class Desktop(keyring.backend.KeyringBackend):
    """A keyring that works; ``locked`` while its user has not opened it."""

    priority = 5  # pyright: ignore[reportAssignmentType]  the library's own way to say it

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False

    def _open(self) -> dict[tuple[str, str], str]:
        if self.locked:
            raise keyring.errors.KeyringLocked
        return self.held

    def get_password(self, service: str, username: str) -> str | None:
        return self._open().get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self._open().pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RBEE_CONFIG_DIR", str(tmp_path / "config"))
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())
    yield tmp_path / "config"
    keyring.set_keyring(before)


@pytest.fixture
def desktop(home: Path) -> Desktop:  # noqa: ARG001  it puts the machine's own keyring back
    made = Desktop()
    keyring.set_keyring(made)
    return made


def in_files(home: Path) -> bool:
    return any(SECRET in path.read_text() for path in (home / "secrets").iterdir())


def test_without_a_keyring_a_private_file_does(home: Path) -> None:
    assert secrets.keep(NAME, SECRET) == "file"
    assert secrets.find(NAME) == SECRET
    if sys.platform != "win32":
        (file,) = (home / "secrets").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    secrets.forget(NAME)
    assert secrets.find(NAME) is None
    assert list((home / "secrets").iterdir()) == []
    secrets.forget(NAME)


def test_a_keyring_has_it_and_no_file_does(home: Path, desktop: Desktop) -> None:
    assert secrets.keep(NAME, SECRET) == "keyring"
    assert secrets.find(NAME) == SECRET
    assert not in_files(home)
    secrets.forget(NAME)
    assert desktop.held == {}


def test_a_keyring_can_be_declined(home: Path, desktop: Desktop) -> None:
    assert secrets.keep(NAME, SECRET, keyring=False) == "file"
    assert desktop.held == {}
    assert in_files(home)


def test_a_locked_keyring_is_no_obstacle(desktop: Desktop) -> None:
    secrets.keep(NAME, SECRET)
    desktop.locked = True
    assert secrets.find(NAME) is None
    assert secrets.keep(NAME, SECRET) == "file"
    assert secrets.find(NAME) == SECRET
    secrets.forget(NAME)


def test_a_file_of_another_name_is_not_believed(home: Path) -> None:
    secrets.keep(NAME, SECRET)
    (file,) = (home / "secrets").iterdir()
    file.write_text(file.read_text().replace("gaming-pc", "evil-pc"))
    assert secrets.find(NAME) is None


def test_a_folder_that_cannot_be_written_is_told(home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="secrets"):
        secrets.keep(NAME, SECRET)
