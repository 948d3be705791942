"""Requests are counted from an engine's log: all of this process's, or none is told."""

from pathlib import Path

from rbee.hive.engines.llamacpp_readings import REQUEST_MARK
from rbee.hive.workers import logs
from rbee.hive.workers.request_count import READ_BYTES_MAX, RequestCount

REQUEST = b"0.00.374.732 I slot launch_slot_: id  1 | task 0 | processing task, is_child = 0\n"
CHILD = REQUEST.replace(b"child = 0", b"child = 1")
OTHER = b"0.00.720.497 I slot      release: id  1 | task 10 | stop processing: n_tokens = 4\n"


def log_of(tmp_path: Path, generation: int = 1) -> Path:
    path = logs.log_path(tmp_path)
    logs.mark_generation(path, generation)
    return path


def say(path: Path, words: bytes) -> None:
    with path.open("ab") as file:
        file.write(words)


def test_each_request_of_this_process_counts_once(tmp_path: Path) -> None:
    path = log_of(tmp_path)
    say(path, REQUEST * 5)
    logs.mark_generation(path, 2)
    say(path, REQUEST + OTHER + REQUEST + CHILD)
    count = RequestCount(path, REQUEST_MARK)
    assert count.look() == 2
    say(path, REQUEST[:40])
    assert count.look() == 2
    say(path, REQUEST[40:] + OTHER)
    assert count.look() == count.look() == 3


def test_a_rotation_loses_none(tmp_path: Path) -> None:
    path = log_of(tmp_path)
    say(path, REQUEST)
    count = RequestCount(path, REQUEST_MARK)
    assert count.look() == 1
    say(path, REQUEST * 2 + REQUEST[:30])
    assert logs.rotate(path, bytes_max=1, running=True)
    say(path, OTHER)
    assert count.look() == 3


def test_what_may_have_been_missed_is_not_told(tmp_path: Path) -> None:
    path = logs.log_path(tmp_path)
    assert RequestCount(path, REQUEST_MARK).look() is None
    say(path, REQUEST)
    assert RequestCount(path, REQUEST_MARK).look() is None, "its beginning was rotated away"
    logs.mark_generation(path, 3)
    say(path, OTHER * (READ_BYTES_MAX // len(OTHER) + 1))
    assert RequestCount(path, REQUEST_MARK).look() is None
