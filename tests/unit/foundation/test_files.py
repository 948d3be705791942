"""Small files are whole or as before, private, and a damaged one is no file."""

import errno
import os
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from rbee.foundation.files import make_private_dir, read_struct, write_atomic, write_struct


class State(msgspec.Struct):
    """A made-up state file."""

    name: str
    count: int = 0


def test_a_struct_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_struct(path, State("bee", 3))
    assert read_struct(path, State) == State("bee", 3)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_files_and_folders_are_private(tmp_path: Path) -> None:
    folder = make_private_dir(tmp_path / "a" / "b")
    assert make_private_dir(folder) == folder
    write_struct(folder / "key", State("x"))
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o077 == 0


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    write_atomic(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    contents = {b"a" * 100_000, b"b" * 200_000}
    write_atomic(path, b"a" * 100_000)
    done = threading.Event()

    def write() -> None:
        for _ in range(20):
            for content in contents:
                write_atomic(path, content)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen: set[bytes] = set()
    while not done.is_set():
        seen.add(path.read_bytes())
    writer.join()
    assert seen <= contents


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"name": 1}', b"[]", b"\xff\xff"])
def test_a_damaged_file_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "state.json"
    if content is not None:
        path.write_bytes(content)
    assert read_struct(path, State) is None
