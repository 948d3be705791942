"""A worker's log: rotated under its writer, read from both files, followed."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from rbee.hive.workers import logs


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / logs.LOG_FILE


def write(log: Path, *lines: str) -> None:
    with log.open("ab") as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def test_a_log_is_emptied_under_its_writer_and_nothing_of_it_is_lost(log: Path) -> None:
    with log.open("ab", buffering=0) as writer:
        writer.write(b"before\n" * 1000)
        assert logs.rotate(log, bytes_max=4096, running=True)
        writer.write(b"after\n")
        assert log.read_bytes() == b"after\n"
    assert logs.tail(log, 2) == ["before", "after"]
    assert len(logs.tail(log, 10_000)) == 1001
    assert not logs.rotate(log, bytes_max=4096, running=True)


def test_between_two_processes_the_file_moves_away(log: Path) -> None:
    write(log, "x" * 5000)
    assert logs.rotate(log, bytes_max=4096, running=False)
    assert not log.exists()
    assert logs.tail(log) == ["x" * 5000]


def test_a_log_that_is_not_there_is_empty(log: Path) -> None:
    assert logs.tail(log) == []
    assert logs.last_words(log) is None
    assert not logs.rotate(log, bytes_max=1, running=True)


def test_last_words_are_our_marked_line_else_the_last_one_of_this_generation(log: Path) -> None:
    logs.mark_generation(log, 1)
    write(log, "rbee worker: the model is damaged.", "noise")
    assert logs.last_words(log) == "the model is damaged."
    logs.mark_generation(log, 2)
    assert logs.last_words(log) is None
    write(log, "GGML_ASSERT failed", "")
    assert logs.last_words(log) == "GGML_ASSERT failed"
    assert log.stat().st_mode & 0o077 == 0 or os.name == "nt"


def test_the_tail_says_where_following_goes_on(log: Path) -> None:
    write(log, "one", "two")
    assert logs.tail_at(log, 1) == (["two"], 8)
    assert logs.tail_at(log, 0) == ([], 8)
    assert logs.tail_at(log.with_name("none")) == ([], 0)


@pytest.mark.anyio
async def test_following_sees_new_lines_whole_and_survives_a_rotation(log: Path) -> None:
    write(log, "old")
    lines: AsyncIterator[logs.Line] = logs.follow(log, logs.size_of(log))
    with anyio.fail_after(5):
        with log.open("ab", buffering=0) as writer:
            writer.write(b"first\nhal")
            assert await anext(lines) == ("first", 10)
            writer.write(b"f\n")
            assert await anext(lines) == ("half", 15)
            logs.rotate(log, bytes_max=1, running=True)
            writer.write(b"new\n")
            assert await anext(lines) == ("new", 4)


@pytest.mark.anyio
async def test_every_line_is_followed_once_from_the_place_that_an_earlier_one_named(
    log: Path,
) -> None:
    write(log, *(f"line {index}" for index in range(50)))
    with anyio.fail_after(5):
        first = logs.follow(log, 0)
        seen = [await anext(first) for _ in range(20)]
        again = logs.follow(log, seen[-1].offset)
        seen += [await anext(again) for _ in range(30)]
    assert [line.text for line in seen] == [f"line {index}" for index in range(50)]
