"""The doctor's judgement on values: each fault of the list, and its remedy."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rbee import __version__
from rbee.contracts.hives import EngineInfo
from rbee.keeper.doctor import checks, facts
from rbee.keeper.doctor.checks import EngineFacts, FolderFacts, PortFacts, RoomFacts

GB = 1_000_000_000
QUEEN = RoomFacts(
    room="queen", url="http://localhost:7833", named=False, alive=True, version=__version__
)
HIVE = RoomFacts(
    room="hive",
    url="http://localhost:7835",
    named=False,
    alive=True,
    version=__version__,
    hive_id="here",
    queen_url="http://localhost:7833",
)


def test_a_working_engine() -> None:
    found = checks.check_engine(EngineFacts(version="1.2", exit_status=0, avx2=True))
    assert (found.result, found.remedy) == ("ok", None)
    assert "1.2" in found.message


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (EngineFacts(version=None, exit_status=-4, avx2=False), "AVX2"),
        (EngineFacts(version=None, exit_status=-4, avx2=None), "instructions"),
        (EngineFacts(version=None, exit_status=1, said="No module named x"), "No module named x"),
        (EngineFacts(version=None, exit_status=None), "hung"),
    ],
)
def test_an_engine_that_cannot_run_is_named(engine: EngineFacts, words: str) -> None:
    found = checks.check_engine(engine)
    assert found.result == "fail"
    assert words in found.message
    assert found.remedy


@pytest.mark.parametrize(
    ("port", "result", "words"),
    [
        (PortFacts(room="queen", port=7833, free=True), "ok", "Free"),
        (PortFacts(room="queen", port=7833, free=False, ours=True), "ok", "Our queen"),
        (PortFacts(room="hive", port=7835, free=False, owner="nginx (pid 7)"), "fail", "nginx"),
        (PortFacts(room="hive", port=7835, free=False), "fail", "another user"),
    ],
)
def test_a_port(port: PortFacts, result: str, words: str) -> None:
    found = checks.check_port(port)
    assert found.result == result
    assert words in found.message


@pytest.mark.parametrize(
    ("writable", "free_bytes", "result"),
    [
        (True, 50 * GB, "ok"),
        (True, None, "ok"),
        (True, 5 * GB, "warn"),
        (True, 1, "fail"),
        (False, 50 * GB, "fail"),
    ],
)
def test_a_folder(writable: bool, free_bytes: int | None, result: str) -> None:
    folder = FolderFacts(name="models", path="/m", writable=writable, free_bytes=free_bytes)
    found = checks.check_folder(folder)
    assert found.result == result
    assert (found.remedy is None) == (result == "ok")


def test_a_room_that_runs_and_one_that_does_not() -> None:
    assert checks.check_room(QUEEN).result == "ok"
    away = RoomFacts(room="queen", url=QUEEN.url, named=False, error="no answer")
    assert checks.check_room(away).result == "warn"
    assert checks.check_room(msgspec.structs.replace(away, named=True)).result == "fail"
    hung = checks.check_room(msgspec.structs.replace(away, alive=True))
    assert hung.result == "fail"
    assert "lives" in hung.message


def test_another_version_is_told() -> None:
    found = checks.check_room(msgspec.structs.replace(QUEEN, version="9.9.9"))
    assert found.result == "warn"
    assert "9.9.9" in found.message
    assert __version__ in found.message


def test_joined_and_not_joined() -> None:
    joined = checks.check_join(QUEEN, HIVE, ["here"])
    assert joined is not None
    assert joined.result == "ok"
    apart = checks.check_join(QUEEN, HIVE, ["another"])
    assert apart is not None
    assert apart.result == "fail"
    assert checks.check_join(QUEEN, msgspec.structs.replace(HIVE, version=None), []) is None


@pytest.mark.parametrize(
    "told", ["http://localhost:7833", "http://127.0.0.1:7833", "http://[::1]:1"]
)
def test_a_remote_hive_that_was_told_a_localhost_queen(told: str) -> None:
    remote = msgspec.structs.replace(HIVE, url="http://gaming-pc:7835", named=True, queen_url=told)
    found = checks.check_join(QUEEN, remote, ["here"])
    assert found is not None
    assert found.result == "fail"
    assert "another machine" in found.message


def test_a_folder_that_is_not_there_yet_is_judged_by_its_parent(tmp_path: Path) -> None:
    found = facts.look_at_folder("models", tmp_path / "a" / "b")
    assert found.writable
    assert found.free_bytes


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Root may write everywhere: then ask as nobody (``os.access`` goes by the real user)."""
    if os.geteuid() != 0:
        yield
        return
    os.setreuid(65534, -1)
    yield
    os.setreuid(0, 0)


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
@pytest.mark.usefixtures("ordinary_user")
def test_a_folder_that_may_not_be_written() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        assert facts.look_at_folder("data", Path(name) / "a").writable
        Path(name).chmod(0o555)
        assert not facts.look_at_folder("data", Path(name) / "a").writable


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not facts.look_at_folder("data", tmp_path / "file" / "a").writable


def test_a_hives_engines_are_told_with_their_reasons() -> None:
    works = EngineInfo(name="xllamacpp", usable=True)
    broken = EngineInfo(name="llama-server", usable=False, reason="it died of SIGILL")
    found = checks.check_engines([works, broken])
    assert found is not None
    assert found.result == "ok"
    assert found.message == (
        "The hive can use xllamacpp. Not usable: llama-server: it died of SIGILL."
    )
    none = checks.check_engines([broken])
    assert none is not None
    assert (none.result, none.check) == ("fail", "engines")
    assert checks.check_engines(None) is None
